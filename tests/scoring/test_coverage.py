"""What 95% and 5% are worth: 2,000 simulated evaluations of students whose true figures are known.

A combination has its own difficulty, which its generations share; each of three generations shows each skill or not,
and earns the other criteria or not. True figures are means over many more combinations.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from skillmix_lightning.scoring import CombinationScore
from skillmix_lightning.scoring.comparison import LEVEL, compare, difference_interval, sign_flip_p
from skillmix_lightning.scoring.intervals import interval
from skillmix_lightning.scoring.metrics import TextScore

EVALUATIONS = 2000
Values = npt.NDArray[np.float64]

#: (mean and spread of combinations' ease, chance of the other three points): a weak student, a middling and a good one.
STUDENTS = [(-2.0, 1.0, 0.8), (0.0, 1.0, 0.9), (1.0, 1.5, 0.95)]
#: Nearly every text of these fails, or has full marks.
EXTREME_STUDENTS = [(-4.0, 1.0, 0.9), (3.0, 1.0, 0.98)]


def evaluations(
    student: tuple[float, float, float],
    combinations: int,
    how: str,
    rng: np.random.Generator,
    times: int = EVALUATIONS,
    better: float = 0.0,
    k: int = 3,
) -> list[tuple[Values, Values]]:
    """Full marks and skill fraction, each (times, combinations), of a student and of one with easier combinations."""
    mean, spread, others = student
    ease = rng.normal(mean, spread, size=(times, combinations, 1, 1))
    found = []
    for more in (0.0, better):
        chances = 1 / (1 + np.exp(-(ease + more + rng.normal(0, 0.7, size=(times, combinations, 1, k)))))
        skills = rng.random((times, combinations, 3, k)) < chances
        rest = rng.random((times, combinations, 3)) < others
        over: Callable[..., Values] = np.max if how == "max" else np.mean
        full = (skills.all(-1) & rest).astype(float)
        found.append((over(full, axis=-1), over(skills.sum(-1) / k * rest, axis=-1)))
    return found


def truth(student: tuple[float, float, float], how: str, better: float = 0.0) -> list[tuple[float, float]]:
    """Full marks and skill fraction of 400,000 combinations."""
    many = evaluations(student, 1000, how, np.random.default_rng(99), 400, better)
    return [(float(full.mean()), float(fraction.mean())) for full, fraction in many]


def coverage(samples: Values, mean: float) -> float:
    bounds = [interval(sample) or (0.0, 0.0) for sample in samples.tolist()]
    return float(np.mean([low - 1e-9 <= mean <= high + 1e-9 for low, high in bounds]))


@pytest.mark.parametrize("combinations", [30, 100])
def test_bootstrap_intervals_hold_the_truth_94_to_97_times_of_100(combinations: int) -> None:
    rng = np.random.default_rng(combinations)
    found = []
    for student, how in zip(STUDENTS, ("max", "mean", "max"), strict=True):
        (_, fraction), _ = evaluations(student, combinations, how, rng)
        (_, mean), _ = truth(student, how)
        found.append(coverage(fraction, mean))
    assert min(found) >= 0.94
    assert np.mean(found) <= 0.97
    assert max(found) <= 0.975  # 0.97, and what 2,000 evaluations can be off


@pytest.mark.parametrize("combinations", [30, 100])
@pytest.mark.parametrize("student", EXTREME_STUDENTS)
def test_intervals_of_nearly_equal_values_hold_the_truth_94_times_of_100(
    student: tuple[float, float, float], combinations: int
) -> None:
    (_, fraction), _ = evaluations(student, combinations, "max", np.random.default_rng(3))
    assert coverage(fraction, truth(student, "max")[0][1]) >= 0.94


@pytest.mark.parametrize("combinations", [30, 100])
def test_exact_intervals_hold_the_truth_95_times_of_100(combinations: int) -> None:
    rng = np.random.default_rng(combinations)
    for student in STUDENTS + EXTREME_STUDENTS:
        (full, _), _ = evaluations(student, combinations, "max", rng)
        assert coverage(full, truth(student, "max")[0][0]) >= 0.945  # at least 0.95, less what 2,000 can be off


@pytest.mark.parametrize("combinations", [30, 100])
def test_intervals_of_differences_of_fractions_hold_the_truth_94_times_of_100(combinations: int) -> None:
    rng = np.random.default_rng(combinations)
    found = []
    for student, how, better, metric in ((STUDENTS[0], "mean", 1.0, 0), (STUDENTS[1], "max", 0.7, 1)):
        before, after = (run[metric] for run in evaluations(student, combinations, how, rng, better=better))
        true = truth(student, how, better)
        difference = true[1][metric] - true[0][metric]
        bounds = map(difference_interval, before.tolist(), after.tolist())
        found.append(np.mean([low <= difference <= high for low, high in bounds]))
    assert min(found) >= 0.935  # 0.94, less what 2,000 evaluations can be off
    assert 0.94 <= np.mean(found) <= 0.97


@pytest.mark.parametrize("combinations", [30, 100])
def test_intervals_of_differences_of_zeros_and_ones_hold_the_truth_94_times_of_100(combinations: int) -> None:
    rng = np.random.default_rng(combinations)
    for student, better in zip(STUDENTS, (1.0, 0.7, 0.0), strict=True):
        (before, _), (after, _) = evaluations(student, combinations, "max", rng, better=better)
        true = truth(student, "max", better)
        difference = true[1][0] - true[0][0] if better else 0.0
        bounds = map(difference_interval, before.tolist(), after.tolist())
        assert np.mean([low <= difference <= high for low, high in bounds]) >= 0.94


@pytest.mark.parametrize("combinations", [30, 100])
@pytest.mark.parametrize("how", ["max", "mean"])
def test_of_equal_students_at_most_5_percent_are_told_apart(how: str, combinations: int) -> None:
    rng = np.random.default_rng(combinations)
    wrong = []
    for student in STUDENTS + EXTREME_STUDENTS:
        runs = evaluations(student, combinations, how, rng)
        for before, after in zip(*runs, strict=True):
            wrong.append(np.mean([sign_flip_p(differences) < LEVEL for differences in (after - before).tolist()]))
    assert np.mean(wrong) <= 0.05
    assert max(wrong) <= 0.06  # 0.05, and what 2,000 evaluations can be off


def test_of_equal_students_at_most_5_percent_are_told_apart_anywhere() -> None:
    rng = np.random.default_rng(0)
    runs = evaluations(STUDENTS[1], 6 * 50, "max", rng, times=300)
    wrong = 0
    for metrics in zip(*(values for run in runs for values in run), strict=True):
        full_before, fraction_before, full_after, fraction_after = metrics
        before, after = rows(full_before, fraction_before), rows(full_after, fraction_after)
        told = {row.metric for row in compare(before, after) if row.verdict != "cannot tell"}
        wrong += "skill_fraction" in told
    assert wrong / 300 <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5


def rows(full: Values, fraction: Values) -> list[CombinationScore]:
    """Six splits and ks of 50 combinations each."""
    cells = [(split, k) for split in ("train", "held_out", "all") for k in (2, 3)]
    return [
        CombinationScore(f"c{n}", *cells[n // 50], TextScore(float(f), float(f), float(s)))
        for n, (f, s) in enumerate(zip(full, fraction, strict=True))
    ]
