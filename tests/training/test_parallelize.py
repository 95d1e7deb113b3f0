import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from skillmix_lightning.data.batching import lay_end_to_end, pad_right
from skillmix_lightning.data.encoding import Example
from skillmix_lightning.errors import InputError
from skillmix_lightning.training.adapters import LoraSettings, add_lora
from skillmix_lightning.training.loading import materialize
from skillmix_lightning.training.parallelize import blocks_of, parallelize

# LLaMA-2-13B-Chat and Mistral-7B-Instruct-v0.2, as their config.json have it.
LLAMA_2_13B = LlamaConfig(
    vocab_size=32000,
    hidden_size=5120,
    intermediate_size=13824,
    num_hidden_layers=40,
    num_attention_heads=40,
    num_key_value_heads=40,
    max_position_embeddings=4096,
    rms_norm_eps=1e-5,
    tie_word_embeddings=False,
)
MISTRAL_7B = MistralConfig(
    vocab_size=32000,
    hidden_size=4096,
    intermediate_size=14336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    max_position_embeddings=32768,
    rms_norm_eps=1e-5,
    rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    sliding_window=None,
    tie_word_embeddings=False,
)
TINY = LlamaConfig(
    vocab_size=50,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=4,
    num_attention_heads=2,
    num_key_value_heads=1,
    tie_word_embeddings=True,
)
EXAMPLES = [Example(tuple(range(first, first + 12)), (False,) * 4 + (True,) * 8) for first in (1, 9, 30)]


@pytest.fixture
def four_ranks():
    """The mesh of four ranks, of which only the third is there."""
    torch.distributed.init_process_group("fake", rank=2, world_size=4, store=FakeStore())
    yield init_device_mesh("cpu", (4,))
    torch.distributed.destroy_process_group()


@pytest.fixture
def one_rank():
    torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=torch.distributed.HashStore())
    yield init_device_mesh("cpu", (1,))
    torch.distributed.destroy_process_group()


def on_meta(kind, config):
    with torch.device("meta"):
        return kind(config)


def parameters_of(config):
    """The arithmetic: embeddings, head, and per block attention, MLP and two norms; one norm at the end."""
    d, ff = config.hidden_size, config.intermediate_size
    kv = d // config.num_attention_heads * config.num_key_value_heads
    block = 2 * d * d + 2 * d * kv + 3 * d * ff + 2 * d
    return 2 * config.vocab_size * d + config.num_hidden_layers * block + d


@pytest.mark.parametrize(
    ("kind", "config", "parameters"),
    [(LlamaForCausalLM, LLAMA_2_13B, 13_015_864_320), (MistralForCausalLM, MISTRAL_7B, 7_241_732_096)],
)
def test_four_ranks_hold_a_quarter_of_the_bytes_each(four_ranks, kind, config, parameters):
    model = on_meta(kind, config)
    parallelize(model, four_ranks, "full", torch.bfloat16)
    assert parameters_of(config) == parameters
    shards = [parameter.to_local() for parameter in model.parameters()]
    assert {shard.dtype for shard in shards} == {torch.float32}
    assert sum(shard.nbytes for shard in shards) == parameters  # 4 bytes each, over 4 ranks
    optimizer = torch.optim.Adam(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    states = [state[moment].to_local() for state in optimizer.state.values() for moment in ("exp_avg", "exp_avg_sq")]
    assert sum(state.nbytes for state in states) == 2 * parameters
    assert all(tensor.is_meta for tensor in (*shards, *states))  # and nothing of it was there


def test_blocks_and_the_root_are_sharded_and_names_and_ties_stay(four_ranks):
    model = on_meta(LlamaForCausalLM, TINY)
    names = list(model.state_dict())
    parallelize(model, four_ranks, "selective")
    sharded = [name for name, module in model.named_modules() if isinstance(module, FSDPModule)]
    assert sharded == ["", *(f"model.layers.{i}" for i in range(4))]
    assert list(model.state_dict()) == names
    assert model.lm_head.weight is model.model.embed_tokens.weight


@pytest.mark.parametrize(("setting", "recomputed"), [("none", []), ("selective", [0, 2]), ("full", [0, 1, 2, 3])])
def test_activations_are_computed_again_where_the_setting_says(one_rank, setting, recomputed):
    torch.manual_seed(0)
    model = LlamaForCausalLM(TINY)
    calls = [0] * 4
    for number, block in enumerate(blocks_of(model)):
        block.mlp.register_forward_pre_hook(lambda *_, n=number: calls.__setitem__(n, calls[n] + 1))
    model.train()
    parallelize(model, one_rank, setting)
    loss, _ = forward(model, lay_end_to_end(EXAMPLES))
    loss.backward()
    assert calls == [2 if number in recomputed else 1 for number in range(4)]


def forward(model, micro_batch, step_weight=24.0):
    return model.training_forward(micro_batch, torch.tensor(step_weight), True, 4096)


def test_bf16_computes_in_bf16_and_keeps_weights_gradients_and_rotary_frequencies_in_fp32(one_rank):
    torch.manual_seed(0)
    whole = LlamaForCausalLM(TINY).train()
    parallelize(whole, None)
    expected, _ = forward(whole, pad_right(EXAMPLES, 0))
    model = on_meta(LlamaForCausalLM, TINY).train()
    parallelize(model, one_rank, compute_dtype=torch.bfloat16)
    materialize(model, torch.device("cpu"))
    for sharded, plain in zip(model.parameters(), whole.parameters(), strict=True):
        sharded.data.to_local().copy_(plain.data)
    seen = {}
    model.model.layers[1].mlp.up_proj.register_forward_hook(
        lambda module, args, output: seen.update(hidden=output.dtype, weight=module.weight.dtype)
    )
    loss, _ = forward(model, pad_right(EXAMPLES, 0))
    loss.backward()
    assert seen == {"hidden": torch.bfloat16, "weight": torch.bfloat16}
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-2)
    assert {(p.dtype, p.grad.dtype) for p in model.parameters()} == {(torch.float32, torch.float32)}
    assert torch.equal(model.model.rotary_emb.inv_freq, whole.model.rotary_emb.inv_freq)


def test_weights_of_examples_are_not_rounded_to_bf16(one_rank):
    model = LlamaForCausalLM(TINY).train()
    parallelize(model, one_rank, compute_dtype=torch.bfloat16)
    micro_batch = lay_end_to_end(EXAMPLES)
    plain, _ = forward(model, micro_batch)
    micro_batch["weights"] = torch.full((3,), 1.001)
    weighted, _ = forward(model, micro_batch, 24.001)
    assert (weighted / plain).item() == pytest.approx(1.001 * 24 / 24.001, rel=1e-6)


@pytest.mark.parametrize("layout", [pad_right, lay_end_to_end])
def test_examples_do_not_see_each_other(layout):
    torch.manual_seed(0)
    model = LlamaForCausalLM(TINY).train()
    parallelize(model, None)
    arrange = (lambda some: pad_right(some, 0)) if layout is pad_right else lay_end_to_end
    uneven = [EXAMPLES[0], EXAMPLES[1].cut(7), EXAMPLES[2].cut(9)]
    _, together = forward(model, arrange(uneven))
    alone = [forward(model, arrange([example]))[1].item() for example in uneven]
    assert together.tolist() == pytest.approx(alone, rel=1e-5)


def test_a_model_with_adapters_is_sharded_with_them(four_ranks):
    model = add_lora(on_meta(LlamaForCausalLM, TINY), LoraSettings(rank=4))
    parallelize(model, four_ranks)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(trained) == 4 * 7 * 2
    assert all("lora_" in name for name in trained)


def test_a_model_without_blocks_is_refused():
    with pytest.raises(InputError, match="Linear: has no list of blocks"):
        blocks_of(nn.Linear(2, 2))


@pytest.mark.slow
def test_compiled_blocks_compute_the_same(one_rank):
    values = {}
    for compiled in (False, True):
        torch.manual_seed(0)
        model = LlamaForCausalLM(TINY).train()
        parallelize(model, one_rank, "selective", compile=compiled)
        loss, _ = forward(model, lay_end_to_end(EXAMPLES))
        loss.backward()
        values[compiled] = [loss.detach(), *(parameter.grad.to_local() for parameter in model.parameters())]
    for compiled, plain in zip(values[True], values[False], strict=True):
        torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-6)
