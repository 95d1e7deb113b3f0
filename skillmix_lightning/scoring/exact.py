"""Exact distributions of a sum over independent things that each take one of a few whole values, equally likely.

A permutation test's statistic is such a sum: over its permutations a thing gives this or that. The distributions of all
things are convolved, so nothing is drawn at random.
"""

from collections import Counter
from collections.abc import Sequence
from math import gcd

import numpy as np
import numpy.typing as npt

#: The whole values that a thing takes, each as likely as the others; the first is the one observed.
Values = tuple[int, ...]

_EQUAL = 1e-9


def at_least(things: Sequence[Values]) -> float:
    """The chance of a sum at least as large as the one observed."""
    return _tail(things, two_sided=False)


def as_far_from_the_mean(things: Sequence[Values]) -> float:
    """The chance of a sum at least as far from its mean, to either side, as the one observed."""
    return _tail(things, two_sided=True)


def _tail(things: Sequence[Values], two_sided: bool) -> float:
    step, chances = _distribution(things)
    sums = step * np.arange(len(chances))
    above = [values[0] - min(values) for values in things]
    observed = sum(above)
    if two_sided:
        mean = sum(sum(values) / len(values) - min(values) for values in things)
        there = np.abs(sums - mean) >= abs(observed - mean) - _EQUAL
    else:
        there = sums >= observed
    return min(1.0, float(chances[there].sum()))


def _distribution(things: Sequence[Values]) -> tuple[int, npt.NDArray[np.float64]]:
    """The chances of 0, 1, 2, … steps above the smallest sum, and the size of a step.

    Equal things are raised to a power, in Fourier space; what that rounds is below 1e-9 for 100,000 things.
    """
    shapes = Counter(tuple(sorted(value - min(values) for value in values)) for values in things)
    step = gcd(*(value for shape in shapes for value in shape)) or 1
    size = 1 + sum(times * shape[-1] // step for shape, times in shapes.items())
    product = np.ones(size // 2 + 1, dtype=complex)
    for shape, times in shapes.items():
        chances = np.bincount(np.array(shape) // step, minlength=size) / len(shape)
        product *= np.fft.rfft(chances) ** times
    return step, np.maximum(np.fft.irfft(product, size), 0.0)
