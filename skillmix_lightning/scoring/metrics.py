"""The metrics of a text and the vote of protocol `paper` (arXiv 2409.19808, section 3.3)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.rubric import LENGTH, SENSE, TOPIC, skill_criterion

METRICS = ("full_marks", "all_skills", "skill_fraction")
OTHERS = (TOPIC, SENSE, LENGTH)

OverGenerations = Literal["max", "mean"]


@dataclass(frozen=True)
class TextScore:
    """The three metrics of one text, each from 0 to 1."""

    full_marks: float
    all_skills: float
    skill_fraction: float


def vote(grades: Sequence[Grade], named: Collection[str] = ()) -> dict[str, int] | None:
    """The verdict of protocol `paper`: per criterion, 1 if the graded rounds' points add up to more than half of them.

    Points are as recorded; a tie, of rounds or of half points, gives no point.

    Args:
        grades: the rounds of one text; those without points do not vote.
        named: skills that the text names; they earn nothing.

    Returns:
        Criterion id to 0 or 1, or None without a graded round.
    """
    graded = [grade.points for grade in grades if grade.status == "ok"]
    if not graded:
        return None
    verdict = {criterion: int(2 * sum(p[criterion] for p in graded) > len(graded)) for criterion in graded[0]}
    return {**verdict, **{skill_criterion(name): 0 for name in named}}


def score_text(skills: Sequence[str], points: Mapping[str, int]) -> TextScore:
    """The metrics of one text.

    full_marks: 1 if all k + 3 points are earned. all_skills: 1 if all k skills and at least 2 of the other 3.
    skill_fraction: skill points / k if all other 3 are earned, else 0.
    """
    skill_points = sum(points[skill_criterion(name)] for name in skills)
    others = sum(points[criterion] for criterion in OTHERS)
    k = len(skills)
    return TextScore(
        full_marks=float(skill_points == k and others == 3),
        all_skills=float(skill_points == k and others >= 2),
        skill_fraction=skill_points / k if others == 3 else 0.0,
    )


def aggregate(scores: Sequence[TextScore], how: OverGenerations) -> TextScore:
    """The metrics of a combination: each metric's maximum or mean over the scores of its generations."""
    by_metric = {metric: [getattr(score, metric) for score in scores] for metric in METRICS}
    if how == "max":
        return TextScore(**{metric: max(values) for metric, values in by_metric.items()})
    return TextScore(**{metric: sum(values) / len(values) for metric, values in by_metric.items()})
