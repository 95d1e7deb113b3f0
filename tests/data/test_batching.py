from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from skillmix_lightning.data.batching import IGNORE, StepCollator, lay_end_to_end, pad_right
from skillmix_lightning.data.encoding import Example


def example(length, first_target=1, start=10, **fields):
    return Example(tuple(range(start, start + length)), tuple(i >= first_target for i in range(length)), **fields)


layouts = st.sampled_from(["padded", "padding_free"])


@given(
    lengths=st.lists(st.integers(2, 30), min_size=1, max_size=20),
    micro=st.integers(1, 9),
    budget=st.none() | st.integers(30, 90),
    world=st.integers(1, 5),
    layout=layouts,
)
def test_ranks_and_micro_batches_share_a_step_out_without_loss_or_doubling(lengths, micro, budget, world, layout):
    step = [example(length, start=100 * i, weight=1 + i % 3) for i, length in enumerate(lengths)]
    shares = [StepCollator(micro, rank, world, 0, layout, budget)(step) for rank in range(world)]
    assert len({len(share["micro_batches"]) for share in shares}) == 1  # or collectives would wait for ever
    assert {int(share["step_targets"]) for share in shares} == {sum(e.target_count for e in step)}
    assert {int(share["step_tokens"]) for share in shares} == {sum(lengths)}
    assert {float(share["step_weight"]) for share in shares} == {sum(e.weight * e.target_count for e in step)}
    micro_batches = [micro_batch for share in shares for micro_batch in share["micro_batches"]]
    labels = Counter(int(label) for m in micro_batches for label in m["labels"].flatten() if label != IGNORE)
    assert labels == Counter(token for e in step for token in e.input_ids[1:])
    for m in micro_batches:
        assert len({m[name].shape for name in ("input_ids", "labels", "position_ids", "examples")}) == 1
        if budget is None:
            assert len(m["weights"]) <= micro
        else:
            assert m["input_ids"].numel() <= budget


@given(lengths=st.lists(st.integers(2, 30), min_size=1, max_size=20), layout=layouts)
def test_every_token_knows_its_example_and_its_place_in_it(lengths, layout):
    step = [example(length, start=100 * i, weight=i / 2) for i, length in enumerate(lengths)]
    for m in StepCollator(3, layout=layout)(step)["micro_batches"]:
        for index, weight in enumerate(m["weights"].tolist()):
            own = m["examples"] == index
            (source,) = [e for e in step if e.input_ids == tuple(m["input_ids"][own].tolist())]
            assert m["position_ids"][own].tolist() == list(range(len(source)))
            assert weight == source.weight
        assert set(m["examples"].unique().tolist()) <= {-1, *range(len(m["weights"]))}
        assert (m["labels"][m["examples"] == -1] == IGNORE).all()


def test_sources_stand_beside_their_examples():
    step = [example(9), example(5, source="pretraining"), example(7, k=3)]
    batch = StepCollator(2, layout="padding_free")(step)
    assert batch["sources"] == [[("skillmix", None)], [("skillmix", 3), ("pretraining", None)]]
    assert [m["input_ids"].shape[1] for m in batch["micro_batches"]] == [9, 12]


def test_a_rank_with_fewer_examples_than_micro_batches_repeats_one_without_labels():
    step = [example(length) for length in (30, 10, 9)]
    long, short = (StepCollator(1, rank, 2)(step) for rank in (0, 1))
    assert [m["input_ids"].shape for m in short["micro_batches"]] == [(1, 10), (1, 9)]
    assert [m["input_ids"].shape for m in long["micro_batches"]] == [(1, 30), (1, 9)]
    assert (long["micro_batches"][1]["labels"] == IGNORE).all()
    assert [len(sources) for sources in long["sources"]] == [1, 1]


def test_padded_labels_are_the_next_tokens_where_they_are_targets():
    batch = pad_right([example(4, first_target=2), example(2)], pad_id=7)
    assert batch["input_ids"].tolist() == [[10, 11, 12, 13], [10, 11, 7, 7]]
    assert batch["labels"].tolist() == [[IGNORE, 12, 13, IGNORE], [11, IGNORE, IGNORE, IGNORE]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3]] * 2
    assert batch["examples"].tolist() == [[0, 0, 0, 0], [1, 1, -1, -1]]
    assert batch["weights"].tolist() == [1.0, 1.0]


def test_laid_end_to_end_no_label_reaches_into_the_next_example():
    batch = lay_end_to_end([example(4, first_target=2), example(2, start=50)])
    assert batch["input_ids"].tolist() == [[10, 11, 12, 13, 50, 51]]
    assert batch["labels"].tolist() == [[IGNORE, 12, 13, IGNORE, 51, IGNORE]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1]]
    assert batch["examples"].tolist() == [[0, 0, 0, 0, 1, 1]]


@pytest.mark.parametrize("lay_out", [lambda e: pad_right(e, 0), lay_end_to_end])
def test_the_types_of_both_layouts(lay_out):
    batch = lay_out([example(4), example(2)])
    types = {name: tensor.dtype for name, tensor in batch.items()}
    assert types.pop("weights") == torch.float32
    assert set(types.values()) == {torch.int64}


def test_micro_batches_hold_examples_of_similar_length():
    step = [example(length) for length in (3, 30, 4, 29, 5, 28)]
    widths = [m["input_ids"].shape[1] for m in StepCollator(2)(step)["micro_batches"]]
    assert widths == [30, 28, 4]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_model_computes_the_same_in_both_layouts(attention):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        attn_implementation=attention,
    )
    model = LlamaForCausalLM(config)
    examples = [example(length, start=start) for start, length in enumerate((5, 9, 2))]
    logits = []
    for batch in (pad_right(examples, 0), lay_end_to_end(examples)):
        ids = {name: batch[name] for name in ("input_ids", "position_ids")}
        computed = model(**ids, use_cache=False).logits
        logits.append([computed[batch["examples"] == index] for index in range(len(examples))])
    for padded, padding_free in zip(*logits, strict=True):
        torch.testing.assert_close(padding_free, padded)
