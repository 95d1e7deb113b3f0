import random

from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.data.encoding import Example
from skillmix_lightning.data.sharing import balanced, cut

lengths = st.lists(st.integers(2, 1024), min_size=1, max_size=64)
bins = st.integers(1, 8)


def example(length):
    return Example((7,) * length, (False,) + (True,) * (length - 1))


def tokens(group):
    return sum(map(len, group))


@given(lengths, bins, st.booleans())
def test_no_two_bins_differ_by_more_tokens_than_the_longest_example(lengths, bins, equal_counts):
    filled = balanced([example(length) for length in lengths], bins, equal_counts)
    assert sorted(len(e) for group in filled for e in group) == sorted(lengths)
    loads = [tokens(group) for group in filled]
    assert max(loads) - min(loads) <= max(lengths)


@given(lengths, bins)
def test_dealt_in_rounds_the_bins_hold_equal_numbers_of_examples(lengths, bins):
    counts = [len(group) for group in balanced([example(length) for length in lengths], bins, equal_counts=True)]
    assert max(counts) - min(counts) <= 1


def test_on_steps_like_the_papers_the_fullest_of_4_ranks_has_less_than_1_percent_more_tokens_than_the_mean():
    # Two-turn conversations of the reference implementation have 495 to 1,192 tokens, about 800 in the mean.
    rng = random.Random(0)
    for _ in range(100):
        step = [example(round(min(1024, max(300, rng.gauss(790, 150))))) for _ in range(64)]
        for equal_counts in (True, False):
            loads = [tokens(group) for group in balanced(step, 4, equal_counts)]
            assert max(loads) < 1.01 * sum(loads) / 4


@given(
    lengths=st.lists(st.integers(2, 30), min_size=1, max_size=30),
    world=st.integers(1, 4),
    layout=st.sampled_from(["padded", "padding_free"]),
    limit=st.one_of(st.tuples(st.integers(1, 9), st.none()), st.tuples(st.just(1), st.integers(30, 90))),
)
def test_micro_batches_keep_their_limits_and_are_as_many_on_every_rank(lengths, world, layout, limit):
    size, budget = limit
    shares = balanced([example(length) for length in lengths], world, equal_counts=budget is None)
    cuts = cut(shares, layout, size, budget)
    assert len({len(rank) for rank in cuts}) == 1
    for share, rank in zip(shares, cuts, strict=True):
        assert sorted(map(id, share)) == sorted(id(e) for group in rank for e in group)
        # A micro-batch is empty only where there are more of them than examples.
        assert all(rank) or all(len(group) <= 1 for group in rank)
        for group in filter(None, rank):
            if budget is None:
                assert len(group) <= size
            else:
                cost = tokens(group) if layout == "padding_free" else len(group) * max(map(len, group))
                assert cost <= budget


def test_limited_by_examples_a_step_of_64_over_4_ranks_takes_the_fewest_micro_batches():
    rng = random.Random(1)
    step = [example(rng.randint(10, 1024)) for _ in range(64)]
    cuts = cut(balanced(step, 4, equal_counts=True), "padding_free", 4, None)
    assert [len(rank) for rank in cuts] == [4] * 4
