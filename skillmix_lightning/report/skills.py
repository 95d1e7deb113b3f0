"""What became of single skills: in how many of the texts that asked for it each one was illustrated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.checks import check_text
from skillmix_lightning.graders.rubric import skill_criterion
from skillmix_lightning.scoring.metrics import vote
from skillmix_lightning.students.base import Composition

#: Of a text, by combination id and generation: criterion id to 0 or 1, or None if it is unscored.
Verdicts = Mapping[tuple[str, int], dict[str, int] | None]


@dataclass(frozen=True)
class SkillPoints:
    """A skill's points in the texts of a split.

    Attributes:
        split: of the texts.
        skill: its name.
        earned: texts that illustrate it.
        texts: scored texts that asked for it.
    """

    split: str
    skill: str
    earned: int
    texts: int

    @property
    def share(self) -> float:
        """Of the scored texts, those that illustrate it."""
        return self.earned / self.texts


def verdicts(compositions: Iterable[Composition], grades: Iterable[Grade]) -> Verdicts:
    """The vote on every text, by protocol `paper` with the name rule; a round recorded twice counts as it was last."""
    rounds: dict[tuple[str, int], dict[int, Grade]] = {}
    for grade in grades:
        rounds.setdefault((grade.combination_id, grade.generation), {})[grade.grading] = grade
    found: dict[tuple[str, int], dict[str, int] | None] = {}
    for text in compositions:
        key = (text.combination.id, text.generation)
        of_text = list(rounds.get(key, {}).values())
        graded = any(grade.status == "ok" for grade in of_text)
        found[key] = vote(of_text, check_text(text.text, text.combination).named) if graded else None
    return found


def skill_points(compositions: Sequence[Composition], verdicts: Verdicts) -> list[SkillPoints]:
    """Every skill that a scored text asked for, by split and name."""
    earned: dict[tuple[str, str], list[int]] = {}
    for text in compositions:
        verdict = verdicts.get((text.combination.id, text.generation))
        if verdict is not None:
            for name in text.combination.skills:
                earned.setdefault((text.combination.split, name), []).append(verdict[skill_criterion(name)])
    return [SkillPoints(*key, sum(points), len(points)) for key, points in sorted(earned.items())]
