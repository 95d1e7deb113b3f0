import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skillmix_lightning.errors import InputError
from skillmix_lightning.scoring import METRICS, CombinationScore
from skillmix_lightning.scoring.comparison import (
    CANNOT_TELL,
    Comparison,
    compare,
    difference_interval,
    holm,
    sign_flip_p,
    smallest_detectable,
)
from skillmix_lightning.scoring.metrics import TextScore


def rows(*values: float | None, split: str = "train", k: int = 2) -> list[CombinationScore]:
    """A combination for each value, which all its metrics have; None has no score."""
    scores = [None if value is None else TextScore(value, value, value) for value in values]
    return [CombinationScore(f"{split}{k}-{n}", split, k, score) for n, score in enumerate(scores)]


def full_marks(comparisons: list[Comparison]) -> list[Comparison]:
    return [row for row in comparisons if row.metric == "full_marks"]


@given(lost=st.integers(0, 40), won=st.integers(0, 40), same=st.integers(0, 20))
def test_on_zeros_and_ones_the_test_is_mcnemars_exact_one(lost: int, won: int, same: int) -> None:
    expected = stats.binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert sign_flip_p([-1.0] * lost + [1.0] * won + [0.0] * same) == pytest.approx(expected)


@given(st.lists(st.sampled_from([n / d for d in (1, 2, 3, 9, 15) for n in range(-d, d + 1)]), min_size=1, max_size=9))
def test_the_test_goes_through_all_signs(differences: list[float]) -> None:
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    expected = np.mean([total >= abs(sum(differences)) - 1e-9 for total in sums])
    assert sign_flip_p(differences) == pytest.approx(expected)


def test_values_without_a_common_denominator_are_tested_with_seeded_random_signs() -> None:
    differences = np.random.default_rng(1).normal(0.3, 1.0, 40).tolist()
    expected = stats.permutation_test((differences,), np.mean, permutation_type="samples", rng=0).pvalue
    assert sign_flip_p(differences) == pytest.approx(expected, abs=0.01)
    assert sign_flip_p(differences) == sign_flip_p(differences)


def test_a_thousand_pairs_are_tested_exactly() -> None:
    expected = stats.binomtest(450, 1000).pvalue
    assert sign_flip_p([1.0] * 550 + [-1.0] * 450) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([], []),
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9], [1.0, 1.0]),
    ],
)
def test_holm_multiplies_by_how_many_are_left_and_never_falls(p_values: list[float], corrected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(corrected)


def test_the_interval_of_zeros_and_ones_is_bonett_and_prices() -> None:
    before, after = [0.0] * 12 + [1.0] * 3 + [1.0] * 25, [1.0] * 12 + [0.0] * 3 + [1.0] * 25
    won, lost = 13 / 42, 4 / 42
    half = 1.959964 * math.sqrt((won + lost - (won - lost) ** 2) / 42)
    assert difference_interval(before, after) == pytest.approx((won - lost - half, won - lost + half), abs=1e-6)


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 1 / 3, 1 / 2, 1.0])] * 2), min_size=1, max_size=30))
def test_an_interval_holds_the_difference_or_nearly_and_turns_with_the_runs(pairs: list[tuple[float, float]]) -> None:
    before, after = [list(values) for values in zip(*pairs, strict=True)]
    low, high = difference_interval(before, after)
    n = len(pairs)
    shrunk = float(np.mean(np.subtract(after, before))) * n / (n + 2)  # as the added differences leave it
    assert -1 <= low <= shrunk + 1e-9
    assert shrunk - 1e-9 <= high <= 1
    if abs(shrunk) > 1e-6:
        assert difference_interval(after, before) == (-high, -low)


def test_two_runs_without_a_changed_pair_leave_room_for_a_difference() -> None:
    low, high = difference_interval([0.5] * 30, [0.5] * 30)
    assert -0.1 < low < 0 < high < 0.1


def test_what_pairs_can_detect_is_what_the_test_finds_four_times_of_five() -> None:
    rng = np.random.default_rng(0)
    for pairs, lost in ((30, 0.0), (100, 0.0), (100, 0.1), (300, 0.2)):
        won = lost + 0.15
        seen = rng.choice([-1.0, 0.0, 1.0], p=[lost, 1 - lost - won, won], size=(400, pairs))
        effect = float(np.mean([smallest_detectable(sample) for sample in seen.tolist()]))
        true = rng.choice([-1.0, 0.0, 1.0], p=[lost, 1 - 2 * lost - effect, lost + effect], size=(1000, pairs))
        assert 0.7 < np.mean([sign_flip_p(sample) < 0.05 for sample in true.tolist()]) < 0.95


def test_fewer_than_six_pairs_detect_nothing() -> None:
    assert smallest_detectable([1.0] * 5) is None
    assert sign_flip_p([1.0] * 5) > 0.05
    assert sign_flip_p([1.0] * 6) < 0.05


def test_combinations_are_paired_by_their_id_whatever_the_order() -> None:
    before, after = rows(0, 1, 1, 0), rows(1, 1, 0, 1)
    (row,) = full_marks(compare(before, list(reversed(after))))
    assert (row.split, row.k, row.combinations, row.unpaired) == ("train", 2, 4, 0)
    assert (row.before, row.after, row.difference) == (0.5, 0.75, 0.25)
    assert row.p_value == row.p_holm == 1.0


def test_what_one_run_could_not_score_is_left_out_of_both() -> None:
    (row,) = full_marks(compare(rows(0, None, 1, 0), rows(1, 1, None, 1)))
    assert (row.combinations, row.unpaired, row.before, row.after) == (2, 2, 0.0, 1.0)


def test_a_cell_without_a_pair_has_no_figures() -> None:
    before = rows(0, 1) + rows(None, None, k=3)
    (_, row) = full_marks(compare(before, rows(1, 1) + rows(1, 0, k=3)))
    assert row == Comparison("train", 3, "full_marks", 0, None, None, None, None, None, None, None, unpaired=2)
    assert row.verdict == CANNOT_TELL


def test_p_values_are_corrected_over_splits_and_ks_of_a_metric() -> None:
    cells = [(split, k) for split in ("train", "held_out") for k in (2, 3)]
    before = [row for split, k in cells for row in rows(*[0] * 10, split=split, k=k)]
    after = [row for split, k in cells for row in rows(*[1] * (6 + k), *[0] * (4 - k), split=split, k=k)]
    compared = compare(before, after)
    assert len(compared) == len(cells) * len(METRICS)
    by_cell = {(row.split, row.k): row for row in full_marks(compared)}
    assert list(by_cell) == cells
    assert by_cell["train", 3].p_value == pytest.approx(2 / 2**9)
    assert by_cell["train", 3].p_holm == pytest.approx(4 * 2 / 2**9)
    assert by_cell["train", 2].p_value == pytest.approx(2 / 2**8)
    assert by_cell["train", 2].p_holm == pytest.approx(4 * 2 / 2**9)  # 2 * 2 / 2**8


def test_a_verdict_needs_the_corrected_test_and_the_interval() -> None:
    (row,) = full_marks(compare(rows(*[0] * 20), rows(*[1] * 12, *[0] * 8)))
    assert row.verdict == "higher"
    (row,) = full_marks(compare(rows(*[1] * 20), rows(*[0] * 12, *[1] * 8)))
    assert row.verdict == "lower"
    (row,) = full_marks(compare(rows(*[0] * 20), rows(*[1] * 5, *[0] * 15)))
    assert row.verdict == CANNOT_TELL


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_a_run_compared_with_itself_does_not_differ(value: float) -> None:
    for row in compare(rows(*[value] * 9), rows(*[value] * 9)):
        assert (row.difference, row.p_value, row.verdict) == (0.0, 1.0, CANNOT_TELL)


def test_runs_without_a_common_combination_are_refused() -> None:
    with pytest.raises(InputError, match="no combination in common"):
        compare(rows(1, 0), rows(1, 0, split="held_out"))


def test_nothing_is_compared_with_nothing() -> None:
    assert compare([], []) == []
