import pytest
import torch
from tiny import save_tiny_model
from transformers import AutoModelForCausalLM, Gemma2Config, Gemma2ForCausalLM

from skillmix_lightning.data.batching import IGNORE, lay_end_to_end, pad_right
from skillmix_lightning.data.encoding import Example
from skillmix_lightning.training.loss import example_targets, has_plain_head, step_loss

EXAMPLES = [
    Example((1, 2, 3, 4, 5, 6), (False, False, True, True, False, True)),
    Example((7, 8, 9), (False, True, True), source="pretraining", weight=0.25),
    Example((1, 5, 9, 3), (False, False, False, True)),
]
STEP_WEIGHT = torch.tensor(12.0)  # other micro-batches have targets too


def arranged(layout):
    return pad_right(EXAMPLES, 0) if layout == "padded" else lay_end_to_end(EXAMPLES)


def hidden_for(micro_batch):
    """Every token's hidden state depends on its id and place in its example only."""
    torch.manual_seed(0)
    table = torch.randn(10, 8, 4)
    return table[micro_batch["input_ids"], micro_batch["position_ids"]].requires_grad_()


@pytest.fixture
def head():
    torch.manual_seed(1)
    return torch.nn.Linear(4, 10)


@pytest.mark.parametrize("layout", ["padded", "padding_free"])
def test_the_loss_is_the_weighted_sum_over_target_tokens_by_the_weight_of_the_step(head, layout):
    micro_batch = arranged(layout)
    hidden = hidden_for(micro_batch)
    loss, by_example = step_loss(hidden, micro_batch, head, STEP_WEIGHT)
    expected = []
    for number, example in enumerate(EXAMPLES):
        states = hidden[micro_batch["examples"] == number]
        log_probabilities = head(states).log_softmax(-1)
        expected.append(
            -sum(log_probabilities[t - 1, example.input_ids[t]] for t in range(len(example)) if example.targets[t])
        )
    assert by_example.tolist() == pytest.approx([value.item() for value in expected], rel=1e-6)
    assert not by_example.requires_grad
    weighted = sum(example.weight * value for example, value in zip(EXAMPLES, expected, strict=True)) / STEP_WEIGHT
    assert loss.item() == pytest.approx(weighted.item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(loss, hidden)
    (wanted,) = torch.autograd.grad(weighted, hidden)
    torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 6, 7])
def test_chunks_change_no_value(head, chunk):
    micro_batch = arranged("padding_free")
    hidden = hidden_for(micro_batch)
    whole, by_example = step_loss(hidden, micro_batch, head, STEP_WEIGHT)
    chunked, by_example_chunked = step_loss(hidden, micro_batch, head, STEP_WEIGHT, logits_chunk=chunk)
    torch.testing.assert_close(chunked, whole, rtol=1e-6, atol=0)
    torch.testing.assert_close(by_example_chunked, by_example, rtol=1e-6, atol=0)
    for part in (hidden, head.weight):
        expected = torch.autograd.grad(whole, part, retain_graph=True)
        torch.testing.assert_close(torch.autograd.grad(chunked, part, retain_graph=True), expected)


def test_no_more_logits_than_a_chunk_are_made_at_a_time(head):
    sizes = []
    head.register_forward_hook(lambda module, args, output: sizes.append(len(output)))
    micro_batch = arranged("padded")
    loss, _ = step_loss(hidden_for(micro_batch), micro_batch, head, STEP_WEIGHT, logits_chunk=4)
    assert sizes == [4, 2]  # six targets of thirteen tokens
    loss.backward()
    assert sorted(sizes) == [2, 2, 4, 4]


def test_a_micro_batch_without_targets_adds_nothing(head):
    micro_batch = arranged("padded")
    micro_batch["labels"] = torch.full_like(micro_batch["labels"], IGNORE)
    hidden = hidden_for(micro_batch)
    loss, by_example = step_loss(hidden, micro_batch, head, STEP_WEIGHT)
    loss.backward()
    assert loss.item() == 0
    assert by_example.tolist() == [0, 0, 0]
    assert hidden.grad is not None
    assert not hidden.grad.any()
    assert not head.weight.grad.any()


@pytest.mark.parametrize("layout", ["padded", "padding_free"])
def test_targets_are_counted_by_example(layout):
    assert example_targets(arranged(layout)).tolist() == [3, 2, 1]


def test_a_model_that_caps_its_logits_has_no_plain_head(tmp_path):
    config = Gemma2Config(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        final_logit_softcapping=0.05,
    )
    assert not has_plain_head(Gemma2ForCausalLM(config))
    model = AutoModelForCausalLM.from_pretrained(save_tiny_model(tmp_path)).train()
    assert has_plain_head(model)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
