from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.scoring.comparison import sign_flip_p
from skillmix_lightning.scoring.exact import as_far_from_the_mean, at_least

THINGS = st.lists(st.lists(st.integers(-4, 4), min_size=1, max_size=4).map(tuple), min_size=1, max_size=5)


@given(THINGS)
def test_the_chances_are_those_of_going_through_all_outcomes(things: list[tuple[int, ...]]) -> None:
    sums = [sum(outcome) for outcome in product(*things)]
    observed = sum(values[0] for values in things)
    mean = sum(sums) / len(sums)
    above = sum(each >= observed for each in sums) / len(sums)
    far = sum(abs(each - mean) >= abs(observed - mean) - 1e-9 for each in sums) / len(sums)
    assert at_least(things) == pytest.approx(above, abs=1e-12)
    assert as_far_from_the_mean(things) == pytest.approx(far, abs=1e-12)


def test_many_things_are_as_exact_as_the_sign_test() -> None:
    assert as_far_from_the_mean([(1, 0)] * 30 + [(0, 1)] * 10) == pytest.approx(sign_flip_p([1.0] * 30 + [-1.0] * 10))
    large = as_far_from_the_mean([(1, 0)] * 50_400 + [(0, 1)] * 49_600)
    assert large == pytest.approx(sign_flip_p([1.0] * 50_400 + [-1.0] * 49_600), abs=1e-9)


def test_things_that_cannot_vary_say_nothing() -> None:
    assert at_least([(3,), (2, 2)]) == as_far_from_the_mean([(3,), (2, 2)]) == 1
