"""95% intervals and standard errors for a mean over combinations."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

_RESAMPLES = 2000


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Clopper-Pearson where every value is 0 or 1, else a percentile bootstrap over combinations (seeded).

    None without values.
    """
    if not values:
        return None
    if set(values) <= {0.0, 1.0}:
        bounds = stats.binomtest(int(sum(values)), len(values)).proportion_ci(level, method="exact")
        return float(bounds.low), float(bounds.high)
    sample = np.asarray(values, dtype=float)
    draws = np.random.default_rng(0).choice(sample, (_RESAMPLES, len(sample))).mean(axis=1)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def std_error(values: Sequence[float]) -> float | None:
    """Standard deviation (n - 1) / sqrt(n); None for fewer than two values."""
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))
