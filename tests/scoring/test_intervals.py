import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

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


@given(of=st.integers(1, 120), data=st.data(), level=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_zeros_and_ones_get_the_interval_of_the_binomial_test(of: int, data: st.DataObject, level: float) -> None:
    successes = data.draw(st.integers(0, of))
    expected = stats.binomtest(successes, of).proportion_ci(level, method="exact")
    values = [1.0] * successes + [0.0] * (of - successes)
    assert interval(values, level) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_fractions_are_resampled_the_same_way_every_time() -> None:
    values = [0.0, 0.5, 1.0, 0.5, 0.5, 0.0, 1.0, 0.5] * 10
    assert interval(values) == interval(values[::-1])
    low, high = interval(values) or (0.0, 0.0)
    half = 1.96 * math.sqrt(0.125 / 80)  # the variance of these values is 1/8
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.012)


@pytest.mark.parametrize("values", [[0.5] * 10, [0.5, 0.5], [0.25, 0.75]])
def test_values_that_say_nothing_of_their_spread_get_the_widest_interval(values: list[float]) -> None:
    zeros_and_ones = [0.0, 1.0] * (len(values) // 2)
    assert interval(values) == pytest.approx(interval(zeros_and_ones))


#: Values and their probabilities for k = 2, 3 and 5: weak, middling, strong and near-perfect students, and one whose
#: worst text still shows half of the skills.
STUDENTS = [
    ([0, 1 / 3, 2 / 3, 1], [0.75, 0.15, 0.08, 0.02]),
    ([0, 1 / 3, 2 / 3, 1], [0.40, 0.20, 0.25, 0.15]),
    ([0, 1 / 3, 2 / 3, 1], [0.10, 0.05, 0.35, 0.50]),
    ([0, 1 / 3, 2 / 3, 1], [0.01, 0.00, 0.09, 0.90]),
    ([0, 0.2, 0.4, 0.6, 0.8, 1], [0.10, 0.02, 0.10, 0.20, 0.40, 0.18]),
    ([0.5, 1], [0.6, 0.4]),
]


@pytest.mark.parametrize("n", [30, 100])
def test_of_nominally_95_percent_at_least_94_hold_the_mean(n: int) -> None:
    rng = np.random.default_rng(n)
    coverage = [covered(rng.choice(v, size=(300, n), p=chances), np.dot(v, chances)) for v, chances in STUDENTS]
    assert np.mean(coverage) >= 0.94
    assert min(coverage) >= 0.92  # each is a mean over 300 samples, so within 0.025 of the true one


def covered(samples: np.ndarray, mean: float) -> float:
    bounds = [interval(sample.tolist()) or (0.0, 0.0) for sample in samples]
    return float(np.mean([low - 1e-9 <= mean <= high + 1e-9 for low, high in bounds]))


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
