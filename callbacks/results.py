"""What an evaluation within a fit comes to, once its texts are graded."""

from collections.abc import Sequence
from dataclasses import dataclass

from skillmix_lightning.graders.base import Grade
from skillmix_lightning.scoring import Score
from skillmix_lightning.students.base import Composition


@dataclass(frozen=True)
class EvaluationResult:
    """The texts of one optimizer step, their grades and scores.

    Attributes:
        step: the optimizer step whose weights wrote the texts; grading may have ended many steps later.
        compositions: the texts. A rank that failed has not written all of its own.
        grades: by one grader; fewer than were asked for where it could not be reached.
        scores: a row for each split and k of the plan.
        seconds_generating: how long the fit stood still for it.
        failed_ranks: ranks whose generation raised.
        usd: what the grading of these texts has cost in dollars, in earlier starts of the fit too.
        fit_usd: what the fit's grading had cost by then.
        trouble: why grades are missing, in one line; empty if none is.
    """

    step: int
    compositions: Sequence[Composition]
    grades: Sequence[Grade]
    scores: list[Score]
    seconds_generating: float
    failed_ranks: tuple[int, ...] = ()
    usd: float = 0.0
    fit_usd: float = 0.0
    trouble: str = ""


def tag(split: str, k: int, name: str) -> str:
    """What a figure of one split and k is logged as, and monitored by."""
    return f"skillmix/{split}/k{k}/{name}"
