"""Agreement of raters on categories, and its intervals.

Raw agreement is the share of pairs of raters that give the same; kappa is Cohen's (1960) for two raters, Fleiss's
(1971) for more; alpha is Krippendorff's for categories. All of them are functions of sums over the rated things, so
that a bootstrap over clusters of things adds up each cluster's sums as often as the cluster was drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from skillmix_lightning.scoring.intervals import interval

FIGURES = ("raw", "kappa", "alpha")

_RESAMPLES = 1000

#: Things by raters, NaN where there is no rating.
Ratings = npt.NDArray[np.floating[Any]]
_Array = npt.NDArray[np.floating[Any]]
_Figures = dict[str, float | None]
_Intervals = dict[str, tuple[float, float] | None]


@dataclass(frozen=True)
class Sums:
    """What the figures are made of, summed over things, or over those of each cluster.

    Attributes:
        rated: things with two ratings or more.
        agreeing: over those, the share of pairs of raters that agree.
        coincidences: over those, pairs of ratings (categories by categories), each thing's divided by its ratings - 1.
        complete: things rated by all.
        agreeing_complete: over those, as `agreeing`.
        given: over those, how often each rater gave each category (raters by categories).
    """

    rated: _Array
    agreeing: _Array
    coincidences: _Array
    complete: _Array
    agreeing_complete: _Array
    given: _Array

    @classmethod
    def of(cls, ratings: Ratings, clusters: Sequence[int] | None = None) -> "Sums":
        """The sums over all things, or over those of each cluster (numbers from 0), as a leading axis."""
        categories = np.unique(ratings[~np.isnan(ratings)])
        given = (ratings[:, :, None] == categories).astype(float)
        counts = given.sum(axis=1)
        number = counts.sum(axis=1)
        rated = number >= 2
        complete = rated & (number == ratings.shape[1])
        pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(categories))
        pairs = pairs / np.maximum(number - 1, 1)[:, None, None] * rated[:, None, None]
        agreeing = np.trace(pairs, axis1=1, axis2=2) / np.maximum(number, 1)
        parts = (rated, agreeing, pairs, complete, agreeing * complete, given * complete[:, None, None])
        places = np.zeros(len(ratings), dtype=int) if clusters is None else np.asarray(clusters, dtype=int)
        size = 1 if clusters is None else int(places.max(initial=-1)) + 1
        summed = []
        for part in parts:
            into = np.zeros((size, *part.shape[1:]))
            np.add.at(into, places, part)
            summed.append(into[0] if clusters is None else into)
        return cls(*summed)

    def each(self, change: Callable[[_Array], _Array]) -> "Sums":
        """The same with every array changed."""
        return Sums(*(change(array) for array in vars(self).values()))

    def total(self, times: npt.NDArray[np.integer[Any]] | None = None) -> "Sums":
        """The sums over all clusters, each as often as `times` says; once by default."""
        weights = np.ones(len(self.rated)) if times is None else times
        return self.each(lambda array: np.tensordot(weights, array, axes=1))


def figures(sums: Sums) -> _Figures:
    """The figures of one set of sums; None where one is undefined."""
    raters = sums.given.shape[-2]
    raw = _ratio(sums.agreeing, sums.rated)
    by_rater = _ratio(sums.given, sums.complete)
    agreed = by_rater[0] * by_rater[1] if raters == 2 else by_rater.mean(axis=0) ** 2
    by_chance = agreed.sum()
    total = sums.coincidences.sum()
    of_category = sums.coincidences.sum(axis=0)
    differing = _ratio(total - np.trace(sums.coincidences), total)
    differing_by_chance = _ratio(total**2 - (of_category**2).sum(), total * (total - 1))
    return {
        "raw": _number(raw),
        "kappa": _number(_ratio(_ratio(sums.agreeing_complete, sums.complete) - by_chance, 1 - by_chance)),
        "alpha": _number(1 - _ratio(differing, differing_by_chance)),
    }


def intervals(by_cluster: Sums) -> _Intervals:
    """95% intervals of the figures: percentile bootstrap over clusters, seeded.

    Where no raters differ a bootstrap says nothing: raw gets the exact interval of as many clusters, the others none.
    A resample in which a figure is undefined does not count for it.
    """
    there = by_cluster.rated > 0
    clusters = int(there.sum())
    if not clusters:
        return dict.fromkeys(FIGURES)
    kept = by_cluster.each(lambda array: array[there])
    found = figures(kept.total())
    if found["raw"] == 1:
        return {"raw": interval([1.0] * clusters), "kappa": None, "alpha": None}
    rng = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in FIGURES}
    for _ in range(_RESAMPLES):
        times = rng.multinomial(clusters, np.full(clusters, 1 / clusters))
        for name, value in figures(kept.total(times)).items():
            if value is not None:
                drawn[name].append(value)
    return {name: _quantiles(values) if found[name] is not None else None for name, values in drawn.items()}


def _ratio(part: Any, whole: Any) -> Any:
    """NaN where the whole is nothing, be it by rounding."""
    return part / whole if whole > 1e-12 else part * np.nan


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _quantiles(values: Sequence[float]) -> tuple[float, float] | None:
    if not values:
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
