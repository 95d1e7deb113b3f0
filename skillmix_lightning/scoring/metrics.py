"""From grades to the metrics of a text and of a combination (protocol `paper`; arXiv 2409.19808, section 3.3)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.rubric import LENGTH, SENSE, TOPIC, skill_criterion
from skillmix_lightning.students.base import Composition

METRICS = ("full_marks", "all_skills", "skill_fraction")
_OTHERS = (TOPIC, SENSE, LENGTH)

OverGenerations = Literal["max", "mean"]


@dataclass(frozen=True)
class TextScore:
    """The three metrics of one text, each from 0 to 1."""

    full_marks: float
    all_skills: float
    skill_fraction: float


@dataclass(frozen=True)
class CombinationScore:
    """The metrics of one combination over its generations; `score` is None where nothing could be scored."""

    combination_id: str
    split: str
    k: int
    score: TextScore | None


def vote(grades: Sequence[Grade]) -> dict[str, int] | None:
    """The verdict: per criterion, 1 if more than half of the graded rounds give the point.

    None without a graded round.
    """
    graded = [grade.points for grade in grades if grade.status == "ok"]
    if not graded:
        return None
    return {criterion: int(2 * sum(p[criterion] for p in graded) > len(graded)) for criterion in graded[0]}


def score_text(skills: Sequence[str], points: Mapping[str, int]) -> TextScore:
    """The metrics of one text.

    full_marks: 1 if all k + 3 points are earned. all_skills: 1 if all k skills and at least 2 of the other 3.
    skill_fraction: skill points / k if all other 3 are earned, else 0.
    """
    skill_points = sum(points[skill_criterion(name)] for name in skills)
    others = sum(points[criterion] for criterion in _OTHERS)
    k = len(skills)
    return TextScore(
        full_marks=float(skill_points == k and others == 3),
        all_skills=float(skill_points == k and others >= 2),
        skill_fraction=skill_points / k if others == 3 else 0.0,
    )


def score_combinations(
    compositions: Iterable[Composition], grades: Iterable[Grade], over_generations: OverGenerations = "max"
) -> list[CombinationScore]:
    """The metrics of every combination, in order of first appearance.

    A text without a graded round is unscored and does not count; a combination none of whose texts is scored has no
    score. Nothing unscored becomes a zero.
    """
    rounds: dict[tuple[str, int], list[Grade]] = defaultdict(list)
    for grade in grades:
        rounds[grade.combination_id, grade.generation].append(grade)
    texts: dict[tuple[str, str], list[Composition]] = defaultdict(list)
    for composition in compositions:
        texts[composition.combination.split, composition.combination.id].append(composition)

    scores = []
    for (split, combination_id), generations in texts.items():
        skills = generations[0].combination.skills
        verdicts = [vote(rounds[combination_id, composition.generation]) for composition in generations]
        scored = [score_text(skills, points) for points in verdicts if points is not None]
        score = _over_generations(scored, over_generations) if scored else None
        scores.append(CombinationScore(combination_id, split, len(skills), score))
    return scores


def _over_generations(scores: Sequence[TextScore], how: OverGenerations) -> TextScore:
    by_metric = {metric: [getattr(score, metric) for score in scores] for metric in METRICS}
    if how == "max":
        return TextScore(**{metric: max(values) for metric, values in by_metric.items()})
    return TextScore(**{metric: sum(values) / len(values) for metric, values in by_metric.items()})
