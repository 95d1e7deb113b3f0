import pytest
import torch
from torch import nn
from torch.distributed.tensor import DeviceMesh, distribute_tensor

from skillmix_lightning.errors import InputError
from skillmix_lightning.training.optimizers import make_optimizer


class Model(nn.Module):
    """An embedding, a block, a norm, and a head that may share the embedding's weights."""

    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(100, 128)
        self.linear = nn.Linear(128, 128)
        self.norm = nn.RMSNorm(128)
        self.head = nn.Linear(128, 100, bias=False)
        if tied:
            self.head.weight = self.embedding.weight

    def loss(self) -> torch.Tensor:
        ids = torch.arange(40)
        logits = self.head(self.norm(torch.relu(self.linear(self.embedding(ids)))))
        return nn.functional.cross_entropy(logits, (ids * 7) % 100)


def optimizer_of(model: nn.Module, name="adam", weight_decay=0.1):
    return make_optimizer(model, name, 1e-2, (0.9, 0.95), weight_decay)


def decay_of(model: nn.Module, optimizer) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(p)]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}


def test_norms_biases_and_embeddings_are_not_decayed():
    model = Model()
    assert decay_of(model, optimizer_of(model)) == {
        "embedding.weight": 0.0,
        "linear.weight": 0.1,
        "linear.bias": 0.0,
        "norm.weight": 0.0,
        "head.weight": 0.1,
    }


def test_a_head_that_shares_the_embeddings_weights_is_trained_once_and_not_decayed():
    model = Model(tied=True)
    decay = decay_of(model, optimizer_of(model))
    assert decay["embedding.weight"] == 0.0
    assert "head.weight" not in decay


def test_frozen_parameters_have_no_states():
    model = Model()
    model.embedding.requires_grad_(False)
    assert "embedding.weight" not in decay_of(model, optimizer_of(model))


def test_a_model_with_nothing_to_train_is_refused():
    with pytest.raises(InputError, match="no trained parameter"):
        optimizer_of(Model().requires_grad_(False))


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_torchs_optimizers_are_fused_and_give_torchs_result(name, kind):
    ours, plain = Model(), Model()
    optimizer, expected = optimizer_of(ours, name, 0.0), kind(plain.parameters(), 1e-2, (0.9, 0.95), weight_decay=0.0)
    assert optimizer.defaults["fused"]
    for model, stepped in ((ours, optimizer), (plain, expected)):
        for _ in range(5):
            model.loss().backward()
            stepped.step()
            stepped.zero_grad()
    for (parameter_name, a), b in zip(ours.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, msg=parameter_name)


@pytest.mark.parametrize("name", ["adam8bit", "adamw8bit"])
def test_8bit_states_take_a_byte_each_except_the_embeddings(name):
    model = Model()
    optimizer = optimizer_of(model, name, 0.0)
    before = model.loss().item()
    for _ in range(20):
        model.loss().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert model.loss().item() < before - 1
    dtypes = {n: optimizer.state[p]["state1"].dtype for n, p in model.named_parameters() if p.ndim == 2}
    assert dtypes == {
        "embedding.weight": torch.float32,
        "linear.weight": torch.uint8,
        "head.weight": torch.uint8,
    }


def test_8bit_follows_fp32_closely():
    losses = {}
    for name in ("adamw", "adamw8bit"):
        model = Model()
        optimizer = optimizer_of(model, name, 0.1)
        for _ in range(10):
            loss = model.loss()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        losses[name] = loss.item()
    assert losses["adamw8bit"] == pytest.approx(losses["adamw"], rel=0.05)


def test_two_optimizers_do_not_share_settings():
    first, second = Model(), Model(tied=True)
    for model in (first, second):
        optimizer = optimizer_of(model, "adam8bit", 0.0)
        model.loss().backward()
        optimizer.step()
        assert optimizer.state[model.linear.weight]["state1"].dtype == torch.uint8


@pytest.mark.parametrize("name", ["paged_adam8bit", "paged_adamw8bit"])
def test_paged_states_need_cuda(name):
    with pytest.raises(InputError, match=f"{name}: paged states need a CUDA device; use {name[6:]}$"):
        optimizer_of(Model(), name, 0.0)


def test_8bit_adam_has_no_decay_of_adams_kind():
    with pytest.raises(InputError, match=r"adam8bit: bitsandbytes knows only AdamW's decay; use adamw8bit$"):
        optimizer_of(Model(), "adam8bit", 0.1)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["paged_adam8bit", "paged_adamw8bit"])
def test_paged_states_train_on_cuda(name):
    model = Model().cuda()
    optimizer = optimizer_of(model, name, 0.0)
    model.linear(torch.ones(1, 128, device="cuda")).sum().backward()
    optimizer.step()
    assert optimizer.state[model.linear.weight]["state1"].dtype == torch.uint8


def test_8bit_states_refuse_shards(one_process_mesh):
    model = nn.Linear(8, 8)
    model.weight = nn.Parameter(distribute_tensor(model.weight.detach(), one_process_mesh))
    with pytest.raises(InputError, match="adamw8bit: 8-bit states cannot be sharded; use adamw, whose states are"):
        optimizer_of(model, "adamw8bit")


def test_fused_adam_steps_on_shards(one_process_mesh):
    model = nn.Linear(8, 8, bias=False)
    model.weight = nn.Parameter(distribute_tensor(model.weight.detach(), one_process_mesh))
    optimizer = optimizer_of(model, "adamw")
    before = model.weight.full_tensor().clone()
    model.weight.grad = torch.ones_like(model.weight)
    optimizer.step()
    assert not torch.equal(model.weight.full_tensor(), before)


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="sgd: unknown; give one of adam, adamw, adam8bit"):
        optimizer_of(Model(), "sgd")


@pytest.fixture
def one_process_mesh(tmp_path):
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield DeviceMesh("cpu", [0])
    torch.distributed.destroy_process_group()
