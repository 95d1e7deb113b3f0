"""95% intervals and standard errors for a mean over combinations.

A value is a combination's metric, already aggregated over its generations and grading rounds, so the combination is the
cluster: it is what was drawn independently, and what the bootstrap draws again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

_RESAMPLES = 2000

_Floats = npt.NDArray[np.floating[Any]]


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """An interval for the mean of values from 0 to 1; None without values.

    Where every value is 0 or 1 it is Clopper and Pearson's. Else it is the hull of two bootstrap intervals over
    combinations (seeded): the percentile one, which undercovers where most values are equal, and the studentized one,
    which undercovers where few values differ and to either side. It is never wider than Clopper and Pearson's for as
    many 0/1 values with the same mean, the most that values from 0 to 1 can vary; values that are all equal, about
    which a bootstrap can say nothing, get just that. Coverage is measured in tests/scoring/test_intervals.py.
    """
    if not values:
        return None
    sample = np.asarray(values, dtype=float)
    low, high = clopper_pearson(float(sample.sum()), len(sample), level)
    different, counts = np.unique(sample, return_counts=True)
    if len(different) == 1 or set(different) == {0.0, 1.0}:
        return low, high
    bootstrap_low, bootstrap_high = _bootstrap(different, counts, level)
    return max(low, bootstrap_low), min(high, bootstrap_high)


def std_error(values: Sequence[float]) -> float | None:
    """Standard deviation (n - 1) / sqrt(n); None for fewer than two values."""
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def clopper_pearson(successes: float, trials: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a binomial proportion; a sum of fractions stands for so many successes.

    scipy.special alone: scipy.stats, which has it too, takes over half a second to import.
    """
    tail = (1 - level) / 2
    low = betaincinv(successes, trials - successes + 1, tail) if successes > 0 else 0.0
    high = betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return float(low), float(high)


def _bootstrap(different: _Floats, counts: npt.NDArray[np.integer[Any]], level: float) -> tuple[float, float]:
    n = int(counts.sum())
    mean, deviation = _moments(counts, different, n)
    # Metrics have few different values, so a resample is how often each of them was drawn.
    drawn = np.random.default_rng(0).multinomial(n, counts / n, size=_RESAMPLES)
    means, deviations = _moments(drawn, different, n)
    tails = [(1 - level) / 2, (1 + level) / 2]
    percentile = np.quantile(means, tails)
    # A resample without spread lies infinitely many of its own deviations away, except where it hits the mean.
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.nan_to_num((means - mean) / deviations, nan=0.0, posinf=np.inf, neginf=-np.inf)
    below, above = np.quantile(distances, tails, method="inverted_cdf")
    low = min(percentile[0], mean - above * deviation)
    high = max(percentile[1], mean - below * deviation)
    return float(low), float(high)


def _moments(counts: Any, different: _Floats, n: int) -> tuple[Any, Any]:
    """Mean and standard deviation of samples given as counts of the different values, (..., values)."""
    means = counts @ different / n
    spread = (counts > 0).sum(axis=-1) > 1
    return means, np.sqrt(np.maximum(counts @ different**2 / n - means**2, 0)) * spread
