"""Grades by program: exact, free and offline, for catalogues whose skills have checkers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from skillmix_lightning.catalogue import Catalogue, load_catalogue
from skillmix_lightning.errors import raise_all
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.length import length_problems
from skillmix_lightning.graders.naming import names_skill
from skillmix_lightning.graders.rubric import LENGTH, SENSE, TOPIC, Rubric, skill_criterion
from skillmix_lightning.graders.sense import sense_problems
from skillmix_lightning.graders.text import parse
from skillmix_lightning.graders.topic import topic_problems
from skillmix_lightning.students.base import Composition


class _Finding(NamedTuple):
    points: int
    reason: str


class CheckerGrader:
    """Gives each criterion of the rubric its point by a rule in code.

    Every text gets a grade, an empty one zeros throughout, and every grading round the same one. `raw` has one line
    per criterion: its id, its point and the reason.

    Args:
        catalogue: a built-in catalogue's name, a path, or the catalogue itself.
        name_rule: whether a text that names a skill loses that skill's point.

    Raises:
        InputError: a skill of the catalogue has no checker, or a topic no words (all are listed).
    """

    name = "checker"

    def __init__(self, catalogue: str | Catalogue = "verifiable", name_rule: bool = True) -> None:
        self.catalogue = load_catalogue(catalogue) if isinstance(catalogue, str) else catalogue
        self.name_rule = name_rule
        raise_all(
            "the checker grader cannot grade this catalogue, use an endpoint grader for it",
            [
                f'the skill "{skill.name}" has no checker'
                for skill in self.catalogue.skills
                if skill.name not in CHECKERS
            ]
            + [f'the topic "{topic.name}" has no words' for topic in self.catalogue.topics if topic.words is None],
        )

    def grade(self, compositions: Sequence[Composition], gradings: int = 1) -> Iterator[Grade]:
        """Grades every composition once and gives that grade for each round.

        Raises:
            InputError: a combination has a skill or a topic that the catalogue does not have.
        """
        for composition in compositions:
            findings = self._findings(composition)
            raw = "\n".join(f"{criterion} {found.points}: {found.reason}" for criterion, found in findings.items())
            points = {criterion: found.points for criterion, found in findings.items()}
            for grading in range(gradings):
                yield Grade(
                    combination_id=composition.combination.id,
                    generation=composition.generation,
                    grading=grading,
                    grader=self.name,
                    status="ok",
                    points=dict(points),
                    raw=raw,
                )

    def _findings(self, composition: Composition) -> dict[str, _Finding]:
        combination = composition.combination
        topic = self.catalogue.topic(combination.topic)
        skills = [self.catalogue.skill(name) for name in combination.skills]
        text = parse(composition.text)
        shown = [skill for skill in skills if CHECKERS[skill.name](text)]

        findings = {}
        for skill in skills:
            if skill not in shown:
                finding = _Finding(0, "not shown")
            elif self.name_rule and names_skill(text, skill.name):
                finding = _Finding(0, "shown, but the text names it")
            else:
                finding = _Finding(1, "shown")
            findings[skill_criterion(skill.name)] = finding
        repeats = sum(skill.repeats for skill in shown)
        findings[TOPIC] = _finding(topic_problems(text, topic))
        findings[SENSE] = _finding(sense_problems(text, topic, repeats))
        findings[LENGTH] = _finding(length_problems(text, combination.sentence_limit))
        return {criterion: findings[criterion] for criterion in Rubric.of(combination).criteria}


def _finding(problems: list[str]) -> _Finding:
    return _Finding(0, "; ".join(problems)) if problems else _Finding(1, "met")
