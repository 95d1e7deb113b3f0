from collections import Counter
from itertools import islice

import torch
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.data.batching import IGNORE, StepCollator, StepSampler, pad_right
from skillmix_lightning.data.encoding import Example


def example(length, first_target=1, start=10):
    return Example(tuple(range(start, start + length)), tuple(i >= first_target for i in range(length)))


sizes = st.integers(1, 40)


@given(examples=sizes, batch=sizes, seed=st.integers(0, 99))
def test_every_step_has_exactly_the_global_batch_and_every_pass_has_every_example_once(examples, batch, seed):
    steps = list(islice(StepSampler(examples, batch, seed), 3 * examples))
    assert {len(step) for step in steps} == {batch}
    stream = [index for step in steps for index in step]
    for start in range(0, len(stream) - examples, examples):
        assert sorted(stream[start : start + examples]) == list(range(examples))


@given(examples=sizes, batch=sizes, first=st.integers(0, 50))
def test_a_resumed_stream_goes_on_where_the_whole_one_was(examples, batch, first):
    whole = list(islice(StepSampler(examples, batch, 0), first + 5))
    assert list(islice(StepSampler(examples, batch, 0, first), 5)) == whole[first:]


def test_another_seed_and_another_epoch_give_another_order():
    first, second = islice(StepSampler(50, 50, 0), 2)
    (other,) = islice(StepSampler(50, 50, 1), 1)
    assert first != second
    assert first != other


@given(
    lengths=st.lists(st.integers(2, 30), min_size=1, max_size=20),
    micro=st.integers(1, 9),
    world=st.integers(1, 4),
)
def test_ranks_and_micro_batches_share_a_step_out_without_loss_or_doubling(lengths, micro, world):
    lengths += [2] * max(0, world - len(lengths))
    step = [example(length, start=100 * i) for i, length in enumerate(lengths)]
    shares = [StepCollator(micro, rank, world)(step) for rank in range(world)]
    assert len({len(share["micro_batches"]) for share in shares}) == 1  # or collectives would wait for ever
    assert {int(share["step_targets"]) for share in shares} == {sum(e.target_count for e in step)}
    assert {int(share["step_tokens"]) for share in shares} == {sum(lengths)}
    labels = Counter(
        int(label)
        for share in shares
        for micro_batch in share["micro_batches"]
        for label in micro_batch["labels"].flatten()
        if label != IGNORE
    )
    assert labels == Counter(token for e in step for token in e.input_ids[1:])
    assert all(m["input_ids"].shape[0] <= micro for share in shares for m in share["micro_batches"])


def test_labels_are_the_next_tokens_where_they_are_targets():
    batch = pad_right([example(4, first_target=2), example(2)], pad_id=7)
    assert batch["input_ids"].tolist() == [[10, 11, 12, 13], [10, 11, 7, 7]]
    assert batch["labels"].tolist() == [[IGNORE, 12, 13, IGNORE], [11, IGNORE, IGNORE, IGNORE]]
    assert batch["labels"].dtype == torch.int64


def test_micro_batches_hold_examples_of_similar_length():
    step = [example(length) for length in (3, 30, 4, 29, 5, 28)]
    widths = [m["input_ids"].shape[1] for m in StepCollator(2)(step)["micro_batches"]]
    assert widths == [30, 28, 4]
