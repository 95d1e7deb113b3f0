"""Is one run better than another? Paired tests and intervals on the combinations that both were asked for.

The combination is the unit: what was drawn independently, whatever its numbers of generations and grading rounds.
Pairing takes the difference between easy and hard combinations out of the comparison. That the tests are wrong, and the
intervals miss, no more often than they say is measured in tests/scoring/test_coverage.py.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm, log
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaln, ndtri

from skillmix_lightning.catalogue import Split
from skillmix_lightning.errors import InputError
from skillmix_lightning.scoring.intervals import interval
from skillmix_lightning.scoring.metrics import METRICS
from skillmix_lightning.scoring.texts import CombinationScore

#: The level of the tests: a corrected p value below it is a difference.
LEVEL = 0.05
#: The verdict where neither run can be said to be better.
CANNOT_TELL = "cannot tell"
_POWER = 0.8
#: Six differences of one sign are the fewest that an exact sign-flip test finds: 2 / 2**6 < LEVEL < 2 / 2**5.
_FEWEST = 6
_LARGEST_DENOMINATOR = 10_000
_FLIPS = 20_000
#: Differences of metrics are multiples of far more than this, or rounding.
_EQUAL = 1e-9
_DIGITS = 9

_Floats = npt.NDArray[np.floating[Any]]
_Cell = tuple[str, int]


@dataclass(frozen=True)
class Comparison:
    """One metric of one split and k, in two runs.

    Attributes:
        split: "train", "held_out" or "all".
        k: skills per combination.
        metric: one of `METRICS`.
        combinations: pairs, that is combinations with a score in both runs; the figures are about these only.
        before: the first run's mean; None without a pair, as is everything below.
        after: the second run's mean.
        difference: after - before.
        ci95: 95% interval of the difference; not corrected for the number of comparisons.
        p_value: of the exact two-sided test that neither is better.
        p_holm: the same, corrected by Holm's method over all splits and ks of the metric.
        smallest_detectable: the true difference that this many pairs find (p_value < 0.05) four times out of five, if
            pairs vary as much as they do here. What is smaller than this may be there and go unseen. None for fewer
            than six pairs, which find nothing.
        unpaired: combinations that lack a score in one of the runs, or in both.
    """

    split: str
    k: int
    metric: str
    combinations: int
    before: float | None
    after: float | None
    difference: float | None
    ci95: tuple[float, float] | None
    p_value: float | None
    p_holm: float | None
    smallest_detectable: float | None
    unpaired: int = 0

    @property
    def verdict(self) -> str:
        """What may be said: higher or lower where the corrected test and the interval both say so, else cannot tell."""
        if self.p_holm is None or self.ci95 is None or self.p_holm >= LEVEL:
            return CANNOT_TELL
        if self.ci95[0] > 0:
            return "higher"
        return "lower" if self.ci95[1] < 0 else CANNOT_TELL


def compare(before: Sequence[CombinationScore], after: Sequence[CombinationScore], seed: int = 0) -> list[Comparison]:
    """Compares two runs on the same combinations: a row per split, k and metric.

    Args:
        before: the first run's combinations.
        after: the second run's.
        seed: of the test's random sign flips, where there are too many different values to go through all.

    Raises:
        InputError: the two have no combination in common.
    """
    first, second = _by_cell(before), _by_cell(after)
    if before and after and not any(first[cell].keys() & second[cell].keys() for cell in first.keys() & second.keys()):
        raise InputError("the runs have no combination in common; compare runs of one plan, seed and catalogue")
    cells = sorted(first.keys() | second.keys(), key=lambda cell: (get_args(Split).index(cell[0]), cell[1]))
    rows = [row for cell in cells for row in _compare_cell(cell, first.get(cell, {}), second.get(cell, {}), seed)]
    corrected: dict[tuple[str, int, str], float] = {}
    for metric in METRICS:
        tested = [row for row in rows if row.metric == metric and row.p_value is not None]
        p_values = holm([row.p_value for row in tested if row.p_value is not None])
        corrected |= {(row.split, row.k, metric): p for row, p in zip(tested, p_values, strict=True)}
    return [replace(row, p_holm=corrected.get((row.split, row.k, row.metric))) for row in rows]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: the chance of one false alarm or more among all is at most the level (Holm 1979)."""
    corrected = [0.0] * len(p_values)
    so_far = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = so_far
    return corrected


def sign_flip_p(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p value of paired differences: how often random signs give a sum as far from 0 as theirs.

    Exact: the distribution over all 2^n signs is built up size by size on the grid of the differences' common
    denominator, which metrics have (a skill fraction is a multiple of 1 / k, a mean of it over three generations of
    1 / 3k). On differences of -1, 0 and 1 this is McNemar's exact test. Values without a common denominator are tested
    with random signs.
    """
    sample = np.asarray(differences, dtype=float)
    sizes: Counter[Fraction] = Counter()
    values, counts = np.unique(np.round(np.abs(sample), _DIGITS), return_counts=True)
    for value, n in zip(values.tolist(), counts.tolist(), strict=True):
        sizes[Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)] += n
    del sizes[Fraction(0)]
    denominator = lcm(*(size.denominator for size in sizes))
    if denominator > _LARGEST_DENOMINATOR:
        return _random_flips_p(sample, seed)
    # How many steps of 1 / denominator stand on the positive side: of n equal differences a binomial number of times.
    chances = np.ones(1)
    for size, n in sizes.items():
        step = int(size * denominator)
        of_size = np.zeros(n * step + 1)
        positive = np.arange(n + 1)
        of_size[::step] = np.exp(gammaln(n + 1) - gammaln(positive + 1) - gammaln(n - positive + 1) - n * log(2))
        chances = np.convolve(chances, of_size)
    total = len(chances) - 1
    sums = np.abs(2 * np.arange(total + 1) - total)
    observed = round(abs(float(sample.sum())) * denominator)
    return min(1.0, float(chances[sums >= observed].sum()))


def difference_interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """A 95% interval of the mean paired difference of values from 0 to 1.

    Where all values are 0 or 1, Bonett and Price's (2012): Wald's, with a difference of 1 and one of -1 added, so that
    it says something where few pairs differ, or none. Else the hull of the same, the added ones being of the mean size
    of those seen, and the bootstrap of `intervals.interval`, which alone undercovers where few pairs differ.
    """
    differences = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    if differences.sum() < -_EQUAL:  # resamples have no mirror image: so swapped runs have mirrored intervals
        low, high = difference_interval(after, before)
        return -high, -low
    if {*before, *after} <= {0.0, 1.0} or np.ptp(differences) < _EQUAL:
        low, high = _wald_with_one_of_each_sign(differences, 1.0)
    else:
        low, high = _wald_with_one_of_each_sign(differences, _typical_size(differences))
        bootstrap = interval(((differences + 1) / 2).tolist())
        assert bootstrap is not None, "there is a pair"
        low, high = min(low, 2 * bootstrap[0] - 1), max(high, 2 * bootstrap[1] - 1)
    return max(-1.0, low), min(1.0, high)


def smallest_detectable(differences: Sequence[float]) -> float | None:
    """The true mean difference found with a probability of 80% by as many pairs that vary as these do.

    The normal approximation with the standard deviation of the differences, but never less than what gives six changed
    pairs, the fewest that the exact test finds, with that probability. None for fewer than six pairs.
    """
    sample = np.asarray(differences, dtype=float)
    n = len(sample)
    if n < _FEWEST:
        return None
    fewest = float(betaincinv(_FEWEST, n - _FEWEST + 1, _POWER)) * _typical_size(sample)
    normal = float(ndtri(1 - LEVEL / 2) + ndtri(_POWER)) * float(np.std(sample, ddof=1)) / np.sqrt(n)
    return min(1.0, max(fewest, float(normal)))


def _by_cell(rows: Sequence[CombinationScore]) -> Mapping[_Cell, dict[str, CombinationScore]]:
    cells: dict[_Cell, dict[str, CombinationScore]] = {}
    for row in rows:
        cells.setdefault((row.split, row.k), {})[row.combination_id] = row
    return cells


def _compare_cell(
    cell: _Cell, first: Mapping[str, CombinationScore], second: Mapping[str, CombinationScore], seed: int
) -> list[Comparison]:
    pairs = [
        (one.score, other.score)
        for key, one in first.items()
        if one.score is not None and (other := second.get(key)) is not None and other.score is not None
    ]
    unpaired = len(first.keys() | second.keys()) - len(pairs)
    if not pairs:
        return [Comparison(*cell, metric, 0, None, None, None, None, None, None, None, unpaired) for metric in METRICS]
    rows = []
    for metric in METRICS:
        before = [float(getattr(one, metric)) for one, _ in pairs]
        after = [float(getattr(other, metric)) for _, other in pairs]
        differences = [b - a for a, b in zip(before, after, strict=True)]
        rows.append(
            Comparison(
                *cell,
                metric,
                combinations=len(pairs),
                before=sum(before) / len(pairs),
                after=sum(after) / len(pairs),
                difference=sum(differences) / len(pairs),
                ci95=difference_interval(before, after),
                p_value=sign_flip_p(differences, seed),
                p_holm=None,
                smallest_detectable=smallest_detectable(differences),
                unpaired=unpaired,
            )
        )
    return rows


def _random_flips_p(differences: _Floats, seed: int) -> float:
    """The observed signs count as one of the draws, so that the test is never wrong more often than its level."""
    signs = np.random.default_rng(seed).integers(0, 2, (_FLIPS, len(differences)), dtype=np.int8)
    sums = np.abs((2.0 * signs - 1) @ differences)
    return float((1 + (sums >= abs(differences.sum()) - _EQUAL).sum()) / (1 + _FLIPS))


def _wald_with_one_of_each_sign(differences: _Floats, size: float) -> tuple[float, float]:
    sample = np.concatenate([differences, [size, -size]])
    half = float(ndtri(0.975)) * float(sample.std()) / len(sample) ** 0.5
    return float(sample.mean()) - half, float(sample.mean()) + half


def _typical_size(differences: _Floats) -> float:
    """The mean size of the differences that are not 0; 1 without any."""
    sizes = np.abs(differences)[np.abs(differences) > _EQUAL]
    return float(sizes.mean()) if len(sizes) else 1.0
