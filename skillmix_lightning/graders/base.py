"""What a grader takes and gives: compositions in, grades out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from skillmix_lightning.students.base import Composition

Status = Literal["ok", "unparsed", "refused", "truncated", "error"]


@dataclass(frozen=True)
class Grade:
    """One grader's points for one composition in one grading round, or why there are none.

    Attributes:
        combination_id: of the combination.
        generation: the composition's generation round.
        grading: the grading round, from 0.
        grader: the grader's name.
        status: "ok", or the reason why the composition is unscored in this round.
        points: criterion id ("skill:<name>", "topic", "sense", "length") to a point from 0 to 1; empty unless status
            is "ok".
        raw: the grader's reply, or, for a program, its reasons.
        usage: tokens.
        cost_usd: dollars.
        reason: why there are no points; empty if there are.
        opinion: what the grader itself said about what code decides: the criterion "length", and its "total".
    """

    combination_id: str
    generation: int
    grading: int
    grader: str
    status: Status
    points: dict[str, float]
    raw: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    cost_usd: float = 0.0
    reason: str = ""
    opinion: dict[str, float] = field(default_factory=dict)


class Grader(Protocol):
    """Grades texts. A text it cannot grade gets a `Grade` with a status other than "ok", never zeros."""

    name: str

    def grade(self, compositions: Sequence[Composition], gradings: int = 1) -> Iterator[Grade]:
        """Grades every composition `gradings` times."""
        ...
