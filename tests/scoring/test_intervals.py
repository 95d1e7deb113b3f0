import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.scoring.intervals import interval, std_error


@pytest.mark.parametrize(
    ("successes", "of", "low", "high"),
    [
        # For none and for all of n the other bound is 1 - 0.025**(1/n) and its mirror image.
        (0, 24, 0.0, 1 - 0.025 ** (1 / 24)),
        (24, 24, 0.025 ** (1 / 24), 1.0),
        (0, 1, 0.0, 0.975),
        # Published tables of the exact interval.
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (13, 15, 0.5954, 0.9834),
    ],
)
def test_zeros_and_ones_get_the_exact_interval(successes: int, of: int, low: float, high: float) -> None:
    assert interval([1.0] * successes + [0.0] * (of - successes)) == pytest.approx((low, high), abs=5e-5)


def test_none_of_24_is_at_most_14_percent() -> None:
    assert interval([0.0] * 24) == (0.0, pytest.approx(0.1425, abs=5e-5))


@given(values=st.lists(st.sampled_from([0.0, 1 / 3, 1 / 2, 2 / 3, 1.0]), min_size=1, max_size=30))
def test_an_interval_holds_the_mean_and_lies_between_0_and_1(values: list[float]) -> None:
    bounds = interval(values)
    assert bounds is not None
    low, high = bounds
    assert 0 <= low <= high <= 1
    mean = sum(values) / len(values)
    assert low - 1e-9 <= mean <= high + 1e-9


def test_fractions_are_resampled_the_same_way_every_time() -> None:
    values = [0.0, 0.5, 1.0, 0.5, 0.5, 0.0, 1.0, 0.5] * 10
    assert interval(values) == interval(list(values))
    low, high = interval(values) or (0.0, 0.0)
    half = 1.96 * math.sqrt(0.125 / 80)  # the variance of these values is 1/8
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.01)


def test_a_higher_level_is_wider() -> None:
    values = [0.0, 0.5, 1.0] * 10
    (low, high), (lower, higher) = interval(values, 0.8) or (0, 0), interval(values, 0.99) or (0, 0)
    assert lower < low < high < higher


def test_without_values_there_is_no_interval() -> None:
    assert interval([]) is None


def test_the_standard_error_is_that_of_a_sample() -> None:
    assert std_error([0.0, 1.0]) == pytest.approx(math.sqrt(0.5 / 2))
    assert std_error([0.0, 1.0, 0.5, 0.5]) == pytest.approx(math.sqrt((0.5 / 3) / 4))
    assert std_error([1.0]) is None
    assert std_error([]) is None
