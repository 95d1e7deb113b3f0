"""Do graders agree? Raw agreement, kappa and alpha per criterion, between graders or between grading rounds of one.

A rated thing is one criterion of one text, a rater is a grader or a grading round, and a rating is a point from 0 to 1,
taken as a category: 0.5 is as far from 1 as 0 is. The intervals draw combinations again, since criteria and generations
of one combination are alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from skillmix_lightning.catalogue import Combination, Split
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.rubric import skill_criterion
from skillmix_lightning.scoring.kappa import Ratings, Sums, figures, intervals
from skillmix_lightning.scoring.metrics import OTHERS, OverGenerations, vote
from skillmix_lightning.scoring.texts import ScoredText
from skillmix_lightning.students.base import Composition

#: What is reckoned: the skill criteria together, each of the others, and all together.
CRITERIA = ("skills", *OTHERS, "all")
#: A rater's points for a text by criterion id; None where there are none.
_Points = Mapping[str, float] | None


@dataclass(frozen=True)
class Agreement:
    """How far raters agree about a criterion.

    Attributes:
        criterion: one of `CRITERIA`.
        raters: how many there are.
        rated: things with points from two raters or more; the figures are about these.
        incomplete: things that lack the points of some rater.
        raw: the share of pairs of raters that give the same points; None where nothing is rated twice.
        kappa: Cohen's for two raters, Fleiss's for more, of the things that all rated: agreement beyond what raters who
            give the same points as often, but to random things, would reach. None where all points are equal, so that
            chance reaches everything.
        alpha: Krippendorff's for categories, the same idea for any number of missing ratings; None likewise.
        ci95: 95% interval of each of these. Where no raters differ there is none for kappa and alpha, and raw gets the
            exact one of as many combinations.
    """

    criterion: str
    raters: int
    rated: int
    incomplete: int
    raw: float | None
    kappa: float | None
    alpha: float | None
    ci95: dict[str, tuple[float, float] | None]


def between_graders(compositions: Sequence[Composition], grades: Mapping[str, Sequence[Grade]]) -> list[Agreement]:
    """Agreement of graders, each with its verdict: the vote over its rounds, without the name rule, which is code's.

    Args:
        compositions: the texts, the same for all graders.
        grades: by grader, two at least.

    Returns:
        A row for each of `CRITERIA`.
    """
    rounds = [_by_text(of_one) for of_one in grades.values()]
    return _agreements(
        compositions, [[vote(list(of_one.get(_key(text), {}).values())) for of_one in rounds] for text in compositions]
    )


def between_rounds(compositions: Sequence[Composition], grades: Sequence[Grade]) -> list[Agreement]:
    """Agreement of one grader's rounds with one another; a row for each of `CRITERIA`."""
    rounds = _by_text(grades)
    numbers = sorted({grade.grading for grade in grades})
    return _agreements(
        compositions,
        [
            [grade.points if (grade := of_text.get(n)) and grade.status == "ok" else None for n in numbers]
            for of_text in (rounds.get(_key(text), {}) for text in compositions)
        ],
    )


@dataclass(frozen=True)
class FullMarks:
    """Full marks of one split and k, as each grader sees them and as they see them together.

    A text counts where all graders scored it. A combination's value is the best of its generations, or their mean, and
    the figures are means over combinations.

    Attributes:
        split: "train", "held_out" or "all".
        k: skills per combination.
        combinations: with a text that all graders scored.
        by: grader to its full marks.
        by_all: texts to which every grader gives full marks.
        by_majority: texts to which more than half of the graders do; for two graders the same as `by_all`.
    """

    split: str
    k: int
    combinations: int
    by: dict[str, float]
    by_all: float
    by_majority: float


def full_marks(
    scored: Mapping[str, Sequence[ScoredText]], over_generations: OverGenerations = "max"
) -> list[FullMarks]:
    """Full marks by each grader, by all and by the majority; a row for each (split, k) with a text that all scored.

    Args:
        scored: by grader, two at least: the texts, which are the same for all.
        over_generations: a combination's value is the maximum or the mean over its generations.
    """
    by_text: dict[tuple[Combination, int], list[float]] = {}
    for texts in scored.values():
        for text in texts:
            if text.score is not None:
                by_text.setdefault((text.combination, text.generation), []).append(text.score.full_marks)
    cells: dict[tuple[str, int], dict[str, list[list[float]]]] = {}
    for (combination, _), seen in by_text.items():
        if len(seen) == len(scored):
            together = [min(seen), float(2 * sum(seen) > len(seen))]
            cell = cells.setdefault((combination.split, combination.k), {})
            cell.setdefault(combination.id, []).append([*seen, *together])
    rows = []
    for split, k in sorted(cells, key=lambda cell: (get_args(Split).index(cell[0]), cell[1])):
        over = np.max if over_generations == "max" else np.mean
        *each, by_all, by_majority = np.mean([over(texts, axis=0) for texts in cells[split, k].values()], axis=0)
        by = {grader: float(value) for grader, value in zip(scored, each, strict=True)}
        rows.append(FullMarks(split, k, len(cells[split, k]), by, float(by_all), float(by_majority)))
    return rows


def _agreements(compositions: Sequence[Composition], points: Sequence[Sequence[_Points]]) -> list[Agreement]:
    """The rows, from the raters' points for every text."""
    clusters: dict[str, int] = {}
    ratings: dict[str, list[list[float]]] = {name: [] for name in CRITERIA}
    places: dict[str, list[int]] = {name: [] for name in CRITERIA}
    for text, of_text in zip(compositions, points, strict=True):
        place = clusters.setdefault(text.combination.id, len(clusters))
        for criterion in (*map(skill_criterion, text.combination.skills), *OTHERS):
            row = [float(given[criterion]) if given else np.nan for given in of_text]
            for name in (criterion if criterion in OTHERS else "skills", "all"):
                ratings[name].append(row)
                places[name].append(place)
    raters = len(points[0]) if points else 0
    return [
        _agreement(name, np.array(ratings[name], dtype=float).reshape(-1, raters), places[name]) for name in CRITERIA
    ]


def _agreement(criterion: str, ratings: Ratings, clusters: Sequence[int]) -> Agreement:
    by_cluster = Sums.of(ratings, clusters)
    sums = by_cluster.total()
    return Agreement(
        criterion,
        raters=ratings.shape[1],
        rated=int(sums.rated),
        incomplete=len(ratings) - int(sums.complete),
        **figures(sums),
        ci95=intervals(by_cluster),
    )


def _key(text: Composition) -> tuple[str, int]:
    return text.combination.id, text.generation


def _by_text(grades: Sequence[Grade]) -> Mapping[tuple[str, int], dict[int, Grade]]:
    """Each text's rounds; of one recorded twice the last counts."""
    rounds: dict[tuple[str, int], dict[int, Grade]] = {}
    for grade in grades:
        rounds.setdefault((grade.combination_id, grade.generation), {})[grade.grading] = grade
    return rounds
