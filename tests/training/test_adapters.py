import sys

import pytest
import torch
from paper_models import family_model, save_family
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DeviceMesh

from skillmix_lightning.errors import InputError
from skillmix_lightning.models import load_causal_lm
from skillmix_lightning.training.adapters import (
    LoraSettings,
    adapters_of,
    add_lora,
    initialize_lora,
    merged_weight,
    plain_name,
)

IDS = torch.arange(40)[None] * 11 % 500


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {family: str(save_family(family, tmp_path_factory.mktemp(family))) for family in ("llama", "mistral")}


def with_random_adapters(model, settings):
    add_lora(model, settings)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            nn.init.normal_(parameter, std=0.1)
    return model


def trained(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_adapters_are_trained_and_nothing_else(family):
    model = add_lora(family_model(family), LoraSettings(rank=4))
    assert type(model) is type(family_model(family))
    layers = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
    layers += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
    assert trained(model) == {
        f"model.layers.{block}.{layer}.lora_{matrix}.default.weight"
        for block in range(2)
        for layer in layers
        for matrix in "AB"
    }


def test_named_layers_only():
    model = add_lora(family_model("llama"), LoraSettings(rank=4, target_modules=("q_proj", "v_proj")))
    assert {name.split(".")[4] for name in trained(model)} == {"q_proj", "v_proj"}


def test_at_first_the_model_computes_what_it_did():
    model = family_model("llama")
    before = model(IDS).logits
    assert torch.equal(add_lora(model, LoraSettings())(IDS).logits, before)


def test_merged_weights_compute_what_the_adapters_do():
    settings = LoraSettings(rank=4, alpha=3)
    model = with_random_adapters(family_model("mistral"), settings)
    held, plain = model.state_dict(), family_model("mistral")
    unchanged = plain(IDS).logits
    weights = {plain_name(name): tensor for name, tensor in held.items() if plain_name(name)}
    merged = 0
    for name, weight in weights.items():
        a, b = adapters_of(name)
        if a in held:
            weights[name] = merged_weight(weight, held[a], held[b], settings)
            merged += 1
    assert merged == 14  # of each of 2 blocks 7 layers
    plain.load_state_dict(weights)
    torch.testing.assert_close(plain(IDS).logits, model(IDS).logits, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(plain(IDS).logits, unchanged, atol=1e-2)


def test_first_values_do_not_depend_on_the_device_the_model_was_built_on():
    expected = add_lora(family_model("llama"), LoraSettings(rank=4)).state_dict()
    with torch.device("meta"):
        model = family_model("llama")
    add_lora(model, LoraSettings(rank=4))
    assert all(parameter.is_meta for parameter in model.parameters())
    model.to_empty(device="cpu")
    initialize_lora(model)
    for name, tensor in model.state_dict().items():
        if plain_name(name) is None:
            assert torch.equal(tensor, expected[name]), name


def test_first_values_do_not_depend_on_the_sharding(tmp_path):
    expected = add_lora(family_model("llama"), LoraSettings(rank=4)).state_dict()
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = add_lora(family_model("llama"), LoraSettings(rank=4))
        fully_shard(model, mesh=DeviceMesh("cpu", [0]))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(7)
        initialize_lora(model)
        for name, tensor in model.state_dict().items():
            if plain_name(name) is None:
                assert torch.equal(tensor.full_tensor(), expected[name]), name
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_nf4_holds_the_blocks_in_four_bits_and_adapters_learn_on_top(folders, family):
    model = load_causal_lm(folders[family], quantization="nf4")
    assert model.model.layers[0].mlp.up_proj.weight.dtype == torch.uint8
    assert model.model.layers[0].mlp.up_proj.weight.numel() == 64 * 128 // 2
    assert {model.lm_head.weight.dtype, model.model.norm.weight.dtype} == {torch.float32}
    add_lora(model, LoraSettings(rank=4)).train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(10):
        loss = model(IDS, labels=IDS).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1
    assert {parameter.dtype for name, parameter in model.named_parameters() if "lora" in name} == {torch.float32}


def test_nf4_is_close_to_the_model(folders):
    exact = load_causal_lm(folders["llama"]).train()(IDS).logits
    close = load_causal_lm(folders["llama"], quantization="nf4").train()(IDS).logits
    assert 0 < ((exact - close).norm() / exact.norm()).item() < 0.25


def test_layers_that_the_model_has_not_are_refused():
    with pytest.raises(InputError, match=r"--model.lora.target_modules \('query',\): .*query"):
        add_lora(family_model("llama"), LoraSettings(target_modules=("query",)))


def test_settings_out_of_range_are_listed_at_once():
    with pytest.raises(InputError, match=r"--model.lora: rank is 0.*; alpha is 0.*; dropout is 1.0.*target_modules is"):
        LoraSettings(rank=0, alpha=0, dropout=1.0, target_modules=())


def test_without_peft_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"needs peft; install the extra \[lora\]"):
        add_lora(family_model("llama"), LoraSettings())
