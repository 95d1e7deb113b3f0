"""The count is set beside torch's own, which sees every matrix product that is really made."""

import pytest
import torch
from paper_models import family_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, MistralConfig, MixtralConfig

from skillmix_lightning.training.adapters import LoraSettings, add_lora
from skillmix_lightning.training.flops import FlopCount, causal_pairs, example_lengths, peak_tflops

LENGTH = 24


def really_made(model) -> int:
    ids = torch.arange(LENGTH)[None]
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    return counter.get_total_flops()


def counted(model, pairs: int) -> int:
    count = FlopCount.of(model)
    return count.per_token * LENGTH + count.per_target * LENGTH + count.per_pair[None] * pairs


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_every_matrix_product_of_a_full_fit_is_counted_and_nothing_else(family):
    model = family_model(family, attn_implementation="eager")  # eager computes all pairs and hides half of them
    assert counted(model, LENGTH**2) == really_made(model)


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_frozen_weights_have_no_gradient_of_their_own(family):
    model = add_lora(family_model(family, attn_implementation="eager"), LoraSettings(rank=4))
    # The embeddings are frozen, so torch skips the gradient of what they put into the first block.
    attention = model.model.layers[0].self_attn
    skipped = 0
    for layer in (attention.q_proj, attention.k_proj, attention.v_proj):
        skipped += 2 * LENGTH * (layer.base_layer.weight.numel() + layer.lora_A.default.weight.numel())
    assert counted(model, LENGTH**2) - skipped == really_made(model)


def test_a_shared_head_is_counted_once_for_its_own_work():
    tied = family_model("llama", tie_word_embeddings=True)
    assert FlopCount.of(tied) == FlopCount.of(family_model("llama"))


def test_a_batch_is_counted_by_the_lengths_of_its_examples():
    count = FlopCount(per_token=10, per_target=100, per_pair={None: 1000, 4: 1})
    total = count.total(torch.tensor([3, 6, 0]), torch.tensor(5))
    assert total.item() == 10 * 9 + 100 * 5 + 1000 * (6 + 21) + (6 + (10 + 2 * 4))


@pytest.mark.parametrize("length", [1, 4, 5, 30])
@pytest.mark.parametrize("window", [None, 1, 4, 100])
def test_causal_pairs(length, window):
    query, key = torch.meshgrid(torch.arange(length), torch.arange(length), indexing="ij")
    seen = (key <= query) & (query - key < (window or length))
    assert causal_pairs(torch.tensor(length), window).item() == seen.sum().item()


def test_lengths_are_counted_without_padding():
    examples = torch.tensor([[0, 0, 0, 1, 1, 3, -1, -1]])
    assert example_lengths(examples, 4).tolist() == [3, 2, 0, 1]


def test_a_sliding_window_is_read_from_the_config():
    model = family_model("mistral", sliding_window=128)
    assert list(FlopCount.of(model).per_pair) == [128]


def test_the_papers_model_has_the_work_of_its_parameters():
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            MistralConfig(
                hidden_size=4096,
                intermediate_size=14336,
                num_hidden_layers=32,
                num_attention_heads=32,
                num_key_value_heads=8,
                vocab_size=32000,
                sliding_window=None,
                tie_word_embeddings=False,
            )
        )
    count = FlopCount.of(model)
    norms = 65 * 4096
    embeddings = 32000 * 4096
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert count.per_token + count.per_target == 6 * (parameters - norms - embeddings)
    assert count.per_pair == {None: 12 * 32 * 4096}


def test_experts_are_not_guessed_at():
    with torch.device("meta"):
        config = MixtralConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            vocab_size=10,
        )
        model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(ValueError, match="stacked matrices"):
        FlopCount.of(model)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA A100 80GB PCIe", 312.0),
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA H200", 989.4),
        ("NVIDIA L40S", 362.05),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA GeForce RTX 4090 D", None),
        ("NVIDIA GeForce RTX 3060", None),
    ],
)
def test_peaks_of_known_devices(name, peak):
    assert peak_tflops(name) == peak
