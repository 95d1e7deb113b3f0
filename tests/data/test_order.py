from collections import Counter
from fractions import Fraction
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.data.order import StepSampler

sizes = st.integers(1, 40)
ratios = st.integers(1, 99).map(lambda percent: percent / 100)


@given(examples=sizes, batch=sizes, seed=st.integers(0, 99))
def test_every_step_has_exactly_the_global_batch_and_every_pass_has_every_example_once(examples, batch, seed):
    steps = list(islice(StepSampler(examples, batch, seed), 3 * examples))
    assert {len(step) for step in steps} == {batch}
    stream = [index for step in steps for index in step]
    for start in range(0, len(stream) - examples, examples):
        assert sorted(stream[start : start + examples]) == list(range(examples))


@given(examples=sizes, batch=sizes, first=st.integers(0, 50), pieces=sizes, ratio=ratios)
def test_a_resumed_stream_goes_on_where_the_whole_one_was(examples, batch, first, pieces, ratio):
    whole = list(islice(StepSampler(examples, batch, 0, 0, pieces, ratio), first + 5))
    assert list(islice(StepSampler(examples, batch, 0, first, pieces, ratio), 5)) == whole[first:]


def test_another_seed_and_another_epoch_give_another_order():
    first, second = islice(StepSampler(50, 50, 0), 2)
    (other,) = islice(StepSampler(50, 50, 1), 1)
    assert first != second
    assert first != other


@given(examples=sizes, pieces=sizes, batch=sizes, ratio=ratios)
def test_pre_training_text_takes_its_share_of_every_step_and_of_the_long_run(examples, pieces, batch, ratio):
    steps = list(islice(StepSampler(examples, batch, 0, 0, pieces, ratio), 20))
    counts = [sum(index >= examples for index in step) for step in steps]
    exact = Fraction(str(ratio)) * batch
    assert all(abs(count - exact) < 1 for count in counts)
    assert sum(counts) == int(exact * 20)


@given(examples=sizes, pieces=sizes, ratio=ratios)
def test_both_streams_are_read_in_whole_passes_whatever_the_ratio(examples, pieces, ratio):
    stream = [i for step in islice(StepSampler(examples, 10, 0, 0, pieces, ratio), 60) for i in step]
    for first, count in ((0, examples), (examples, pieces)):
        own = [index for index in stream if first <= index < first + count]
        full, rest = divmod(len(own), count)
        times = Counter(own[: full * count])
        assert set(times.values()) <= {full}
        assert len(set(own[full * count :])) == rest


def test_the_ratio_is_the_decimal_that_was_written():
    sampler = StepSampler(10, 10, 0, 0, 10, 0.1)
    assert [sum(index >= 10 for index in step) for step in islice(sampler, 1000)] == [1] * 1000


def test_without_pieces_the_order_is_that_of_the_texts_alone():
    alone = list(islice(StepSampler(9, 4, 3), 20))
    assert list(islice(StepSampler(9, 4, 3, 0, 0, 0.5), 20)) == alone
