"""Does a grader still grade as it did? A frozen set of graded texts against new grades of the same texts.

The texts stay as they are, so all that may differ between two rounds of one text is the grader and its own noise. If
the grader is the same, it makes no difference which of a text's rounds are called frozen and which new: the tests go
through every way to call them so, text by text, whole rounds at a time, since the criteria of one reply belong
together. They are exact, whatever the grader's noise. A grader that gives the same points in every round has none, and
then a few texts that come out otherwise are a finding.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.rubric import skill_criterion
from skillmix_lightning.scoring.comparable import RunRecords
from skillmix_lightning.scoring.comparison import holm
from skillmix_lightning.scoring.exact import Values, as_far_from_the_mean, at_least
from skillmix_lightning.scoring.metrics import OTHERS, score_text, vote

#: What is looked at: the skill criteria together, each of the others, full marks, and whether there are points at all.
CRITERIA = ("skills", *OTHERS, "full_marks", "graded")

#: Rounds of a text that the tests look at, on either side: five have 252 ways to be called so, ten 184,756.
_MOST_ROUNDS = 5
#: Points are whole numbers of twelfths: halves, thirds and quarters are.
_TWELFTHS = 12

#: A text's frozen rounds, then its new ones, by the things graded in each, in twelfths; and how many are frozen.
_Rounds = tuple[tuple[tuple[int, ...], ...], int]
_Key = tuple[str, int]


@dataclass(frozen=True)
class Drift:
    """One criterion, then and now.

    Attributes:
        criterion: one of `CRITERIA`.
        texts: those with points in both; of "graded", those that the grader was reached for in both.
        frozen: the share of points by the frozen verdicts; of "graded", the share of rounds with points. None without
            a text.
        now: the same by the new ones.
        up: verdicts, one for each thing graded, that gave no point and give one.
        down: the other way round.
        own: the share of pairs of frozen rounds that differ: the grader's own noise. None where texts have one round.
        across: the share of pairs of a frozen round and a new one that differ.
        p_shift: of the exact test that points are no more and no fewer than they were; None without a text.
        p_flips: of the exact test that new rounds differ from frozen ones no more than rounds of a kind do from one
            another. None where texts have one round of each, which cannot tell noise from change, and for "graded".
        p_holm: the smaller one, corrected by Holm's method over both tests of all criteria.
    """

    criterion: str
    texts: int
    frozen: float | None
    now: float | None
    up: int
    down: int
    own: float | None
    across: float | None
    p_shift: float | None
    p_flips: float | None
    p_holm: float | None = None

    def found(self, level: float) -> bool:
        """Whether the grader changed, if one false alarm in 1 / level checks is accepted."""
        return self.p_holm is not None and self.p_holm < level


def drift(frozen: RunRecords, now: RunRecords) -> list[Drift]:
    """A row for each of `CRITERIA`.

    Args:
        frozen: the texts with the grades that they got when the set was made.
        now: the same texts, or some of them, with new grades by a grader of the same settings.
    """
    then, new = _by_text(frozen.grades), _by_text(now.grades)
    pairs = [
        (text.combination.skills, then[key], new[key])
        for text in now.compositions
        if (key := (text.combination.id, text.generation)) in then and key in new
    ]
    rows = [_of_criterion(name, pairs) for name in (*OTHERS, "full_marks")]
    rows = [_of_criterion("skills", pairs), *rows, _of_graded(pairs)]
    return _corrected(rows)


_Pair = tuple[Sequence[str], Sequence[Grade], Sequence[Grade]]


def _of_criterion(criterion: str, pairs: Sequence[_Pair]) -> Drift:
    rounds: list[_Rounds] = []
    verdicts: list[tuple[float, float]] = []
    for skills, *sides in pairs:
        graded = [[grade for grade in side if grade.status == "ok"] for side in sides]
        if all(graded):
            things = _things(criterion, skills)
            rounds.append(_stacked(*([things(grade.points) for grade in side] for side in graded)))
            before, after = (things(vote(side) or {}) for side in graded)
            verdicts += zip(before, after, strict=True)
    row = _tested(criterion, rounds)
    if not verdicts:
        return row
    frozen, now = (float(np.mean(side)) for side in zip(*verdicts, strict=True))
    up, down = (sum(sign * (after - before) > 0 for before, after in verdicts) for sign in (1, -1))
    return replace(row, frozen=frozen, now=now, up=up, down=down)


def _of_graded(pairs: Sequence[_Pair]) -> Drift:
    """Whether rounds have points; rounds in which the grader was not reached say nothing about it."""
    answered = [
        [[[int(g.status == "ok")] for g in side if g.status != "error"] for side in sides] for _, *sides in pairs
    ]
    there = [sides for sides in answered if all(sides)]
    row = replace(_tested("graded", [_stacked(*sides) for sides in there]), own=None, across=None, p_flips=None)
    if not there:
        return row
    frozen, now = (float(np.mean([points for sides in there for points in sides[side]])) for side in (0, 1))
    return replace(row, frozen=frozen, now=now)


def _things(criterion: str, skills: Sequence[str]) -> Callable[[Mapping[str, float]], list[float]]:
    """From points by criterion id to those of the things that a criterion is about."""
    if criterion == "full_marks":
        return lambda points: [score_text(skills, {name: int(p == 1) for name, p in points.items()}).full_marks]
    names = [*map(skill_criterion, skills)] if criterion == "skills" else [criterion]
    return lambda points: [points[name] for name in names]


def _stacked(frozen: Sequence[Sequence[float]], new: Sequence[Sequence[float]]) -> _Rounds:
    rounds = (*frozen[:_MOST_ROUNDS], *new[:_MOST_ROUNDS])
    return tuple(tuple(round(_TWELFTHS * p) for p in points) for points in rounds), min(len(frozen), _MOST_ROUNDS)


def _tested(criterion: str, texts: Sequence[_Rounds]) -> Drift:
    row = Drift(criterion, len(texts), None, None, 0, 0, None, None, None, None)
    if not texts:
        return row
    permuted = [_permuted(*text) for text in texts]
    several = any(len(rounds) > 2 for rounds, _ in texts)
    return replace(
        row,
        own=_share([each.own for each in permuted]),
        across=_share([each.across for each in permuted]),
        p_shift=as_far_from_the_mean([each.shifts for each in permuted]),
        p_flips=at_least([each.flips for each in permuted]) if several else None,
    )


class _Permuted(NamedTuple):
    """A text under every choice of the rounds called new; as it is, first.

    Attributes:
        shifts: the points of the new rounds.
        flips: the differences between a frozen round and a new one.
        own: as it is, differences between two frozen rounds, and how many there could be.
        across: likewise, between a frozen round and a new one.
    """

    shifts: Values
    flips: Values
    own: tuple[int, int]
    across: tuple[int, int]


@lru_cache(maxsize=65_536)  # texts whose rounds have the same points are many
def _permuted(rounds: tuple[tuple[int, ...], ...], frozen: int) -> _Permuted:
    points = np.array(rounds)
    total, things = points.shape
    new = _choices(total, total - frozen)
    differ = (points[:, None, :] != points[None, :, :]).sum(axis=2)
    shifts = new @ points.sum(axis=1)
    flips = ((new @ differ) * (1 - new)).sum(axis=1)
    return _Permuted(
        tuple(shifts.tolist()),
        tuple(flips.tolist()),
        (int(differ[:frozen, :frozen].sum()) // 2, frozen * (frozen - 1) // 2 * things),
        (int(flips[0]), frozen * (total - frozen) * things),
    )


@cache
def _choices(total: int, new: int) -> npt.NDArray[np.int64]:
    """Every way to call so many rounds new, (ways, rounds), 1 for new; the last rounds first, as they are."""
    ways = list(combinations(range(total - 1, -1, -1), new))
    chosen = np.zeros((len(ways), total), dtype=np.int64)
    for row, way in zip(chosen, ways, strict=True):
        row[list(way)] = 1
    return chosen


def _share(counts: Sequence[tuple[int, int]]) -> float | None:
    some, of = (sum(each) for each in zip(*counts, strict=True))
    return some / of if of else None


def _corrected(rows: Sequence[Drift]) -> list[Drift]:
    tests = [(place, p) for place, row in enumerate(rows) for p in (row.p_shift, row.p_flips) if p is not None]
    smallest: dict[int, float] = {}
    for (place, _), p in zip(tests, holm([p for _, p in tests]), strict=True):
        smallest[place] = min(p, smallest.get(place, 1.0))
    return [replace(row, p_holm=smallest.get(place)) for place, row in enumerate(rows)]


def _by_text(grades: Sequence[Grade]) -> dict[_Key, list[Grade]]:
    """Each text's rounds in order; of one recorded twice the last counts."""
    rounds: dict[_Key, dict[int, Grade]] = {}
    for grade in grades:
        rounds.setdefault((grade.combination_id, grade.generation), {})[grade.grading] = grade
    return {key: [of_text[number] for number in sorted(of_text)] for key, of_text in rounds.items()}
