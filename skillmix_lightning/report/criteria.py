"""Which points are earned: per skill, per category of skills, and per criterion."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from skillmix_lightning.graders.rubric import LENGTH, SENSE, TOPIC, skill_criterion
from skillmix_lightning.report.results import JudgedText, Results

#: A split and k.
Cell = tuple[str, int]


@dataclass
class Tally:
    """Points earned of points that could be."""

    earned: int = 0
    possible: int = 0

    @property
    def share(self) -> float | None:
        """Earned / possible, None where nothing was possible."""
        return self.earned / self.possible if self.possible else None

    def add(self, earned: int) -> None:
        """Counts one more point that was earned or not."""
        self.earned += earned
        self.possible += 1


def by_skill(texts: Iterable[JudgedText]) -> dict[str, dict[Cell, Tally]]:
    """The points of each skill in each split and k, over all texts that have a verdict."""
    return _by(texts, lambda name: name)


def by_category(results: Results) -> dict[str, dict[Cell, Tally]]:
    """The points of each category's skills in each split and k."""
    return _by(results.texts, results.category)


def by_criterion(texts: Iterable[JudgedText]) -> dict[Cell, dict[str, Tally]]:
    """For each split and k, how many texts earned every skill ("skills"), "topic", "sense" and "length"."""
    tallies: dict[Cell, dict[str, Tally]] = {}
    for text in texts:
        if text.verdict is None:
            continue
        row = tallies.setdefault(text.cell, {name: Tally() for name in ("skills", TOPIC, SENSE, LENGTH)})
        row["skills"].add(int(all(text.verdict[skill_criterion(s)] for s in text.composition.combination.skills)))
        for criterion in (TOPIC, SENSE, LENGTH):
            row[criterion].add(text.verdict[criterion])
    return tallies


def _by(texts: Iterable[JudgedText], row_of: Callable[[str], str]) -> dict[str, dict[Cell, Tally]]:
    tallies: dict[str, dict[Cell, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for text in texts:
        if text.verdict is not None:
            for name in text.composition.combination.skills:
                tallies[row_of(name)][text.cell].add(text.verdict[skill_criterion(name)])
    return {name: dict(cells) for name, cells in tallies.items()}
