"""The arithmetic is set beside what torch really keeps: tensors saved for backward, parameters, states."""

import pytest
import torch
from paper_models import family_model

from skillmix_lightning.errors import InputError
from skillmix_lightning.training.adapters import LoraSettings, add_lora
from skillmix_lightning.training.estimate import estimate_memory, gradient_bytes, optimizer_bytes, weight_bytes
from skillmix_lightning.training.estimate_activations import kept_activations, logits_bytes
from skillmix_lightning.training.estimate_models import shape_on_meta
from skillmix_lightning.training.estimate_settings import FitSettings
from skillmix_lightning.training.optimizers import make_optimizer

ROWS, LENGTH = 3, 50
LLAMA_13B = "meta-llama/Llama-2-13b-chat-hf"
MISTRAL_7B = "mistralai/Mistral-7B-Instruct-v0.2"


def really_kept(model, autocast: bool, padding_free: bool) -> int:
    """Bytes of the tensors saved for backward, each storage once, without weights and their copies."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    weights = {tuple(p.shape) for p in model.parameters() if p.ndim == 2}
    weights |= {shape[::-1] for shape in weights}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tuple(tensor.shape) not in weights:
            kept[storage.data_ptr()] = tensor  # alive, so that no other tensor gets its address
        return tensor

    inputs = {"input_ids": torch.arange(ROWS * LENGTH).reshape(ROWS, LENGTH)}
    if padding_free:
        positions = torch.arange(LENGTH).repeat(ROWS)[None]
        inputs = {"input_ids": inputs["input_ids"].reshape(1, -1), "position_ids": positions}
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=autocast),
    ):
        hidden = model.base_model(**inputs, use_cache=False).last_hidden_state
    assert hidden.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("family", ["llama", "mistral"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("precision", ["fp32", "sharded bf16", "autocast bf16"])
@pytest.mark.parametrize("lora", [None, LoraSettings(rank=4), LoraSettings(rank=4, dropout=0.1)], ids=str)
@pytest.mark.parametrize("padding_free", [False, True])
def test_activations_are_within_five_percent_of_what_torch_keeps(family, attention, precision, lora, padding_free):
    sizes = {"hidden_size": 96, "intermediate_size": 200, "num_hidden_layers": 4}
    model = family_model(family, attn_implementation=attention, **sizes)
    if lora:
        add_lora(model, lora)
    if precision == "sharded bf16":
        model = model.bfloat16()  # as FSDP2 gathers it
    settings = FitSettings(
        sharded=precision == "sharded bf16",
        bf16=precision != "fp32",
        rows=1 if padding_free else ROWS,
        row_tokens=ROWS * LENGTH if padding_free else LENGTH,
        padding_free=padding_free,
        attention=attention,
    )
    kept = really_kept(model.train(), precision == "autocast bf16", padding_free)
    if lora and lora.dropout:  # a mask is a number here, and a byte on GPUs; the first block's input needs none
        dropped = 4 * (6 * 96 + 200) - 3 * 96
        kept -= ((2 if precision == "sharded bf16" else 4) - 1) * dropped * ROWS * LENGTH
    assert kept_activations(model, settings) == pytest.approx(kept, rel=0.05)


@pytest.mark.parametrize(("choice", "share"), [("selective", 0.5), ("full", 0.0)])
def test_recomputed_blocks_keep_their_input_only(choice, share):
    model = family_model("llama", num_hidden_layers=40)
    full = kept_activations(model, FitSettings())
    width = FitSettings().tokens * model.config.hidden_size
    inputs = 4 * width * 40 * (1 - share)
    last_norm = 10 * width
    kept = kept_activations(model, FitSettings(activation_checkpointing=choice))
    assert kept == share * (full - last_norm) + inputs + last_norm


@pytest.mark.parametrize("name", ["adam", "adamw8bit"])
@pytest.mark.parametrize("lora", [False, True])
def test_weights_gradients_and_states_are_those_of_a_real_step(name, lora):
    model = family_model("mistral")
    if lora:
        add_lora(model, LoraSettings(rank=4))
    optimizer = make_optimizer(model, name, 1e-3, (0.9, 0.999), 0.0)
    ids = torch.arange(20)[None]
    model(ids, labels=ids).loss.backward()
    optimizer.step()
    states = [
        tensor
        for state in optimizer.state.values()
        for key, tensor in state.items()
        if isinstance(tensor, torch.Tensor) and tensor.ndim and not key.startswith("qmap")
    ]
    settings = FitSettings(optimizer=name)
    assert weight_bytes(model, settings) == sum(p.nbytes for p in model.parameters())
    assert gradient_bytes(model, settings) == sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    assert optimizer_bytes(model, settings) == pytest.approx(sum(tensor.nbytes for tensor in states), rel=0.01)


@pytest.mark.parametrize(("name", "parameters"), [(LLAMA_13B, 13_015_864_320), (MISTRAL_7B, 7_241_732_096)])
def test_the_papers_models_on_four_ranks_hold_16_bytes_per_parameter_shared_by_four(name, parameters):
    model = shape_on_meta(name)
    assert sum(p.numel() for p in model.parameters()) == parameters
    memory = estimate_memory(model, FitSettings(ranks=4, sharded=True))
    assert memory.weights == memory.gradients == parameters  # 4 bytes, a quarter
    assert memory.optimizer == 2 * parameters


def test_a_dimension_that_the_ranks_do_not_divide_is_rounded_up():
    model = family_model("llama", vocab_size=501)
    held = weight_bytes(model, FitSettings(ranks=4, sharded=True))
    rows = 2 * (126 * 64 - 501 * 64 / 4)  # embedding and head
    assert held == sum(p.nbytes for p in model.parameters()) // 4 + 4 * rows


def test_nf4_takes_half_a_byte_and_scales():
    model = add_lora(shape_on_meta(MISTRAL_7B), LoraSettings(rank=16))
    plain = 2 * 32000 * 4096 + 65 * 4096
    adapters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    blocks = sum(p.numel() for p in model.parameters()) - plain - adapters
    held = weight_bytes(model, FitSettings(quantization="nf4"))
    assert held == pytest.approx(4 * (plain + adapters) + 0.515869 * blocks, rel=1e-6)


def test_choices_that_cost_memory_cost_it():
    model = shape_on_meta(MISTRAL_7B)
    parameters = sum(p.numel() for p in model.parameters())
    base = FitSettings(ranks=4, sharded=True)

    def peak(**settings):
        return estimate_memory(model, FitSettings(**{"ranks": 4, "sharded": True, **settings})).peak

    assert peak(defer_gradient_sync=True) - peak() == 4 * parameters
    assert 2 * parameters * 0.85 < peak(reshard_after_forward=False) - peak() < 2 * parameters
    assert peak() > peak(activation_checkpointing="selective") > peak(activation_checkpointing="full")
    offloaded = estimate_memory(model, FitSettings(ranks=4, sharded=True, cpu_offload=True))
    assert offloaded.host == 4 * parameters
    assert offloaded.peak == estimate_memory(model, base).peak - 4 * parameters


def test_logits_are_bounded_by_their_chunk():
    model = shape_on_meta(MISTRAL_7B)
    assert logits_bytes(model, FitSettings(rows=8, logits_chunk=1000)) == 1000 * (12 * 32000 + 2 * 4096)
    assert logits_bytes(model, FitSettings(rows=1, row_tokens=10)) == 10 * (12 * 32000 + 2 * 4096)


def test_a_model_that_is_neither_here_nor_known_is_refused_and_not_downloaded():
    with pytest.raises(InputError, match="nobody/nothing: its config is not on this machine, and estimate downloads"):
        shape_on_meta("nobody/nothing")
