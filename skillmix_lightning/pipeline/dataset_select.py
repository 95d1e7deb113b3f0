"""Which of the texts become training data: those with full marks, each once, and why the others do not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.checks import check_text
from skillmix_lightning.pipeline.dataset_duplicates import SeenTexts
from skillmix_lightning.scoring.metrics import vote
from skillmix_lightning.students.base import Composition

#: What became of a text. `unscored`: no grading round gave points; `failed`: a criterion was not met; `cut`: the last
#: answer did not come to its end, and would teach not to; `surplus`: the target was reached before it.
Outcome = Literal["kept", "unscored", "failed", "cut", "surplus", "duplicate", "near_duplicate"]


@dataclass(frozen=True)
class Judged:
    """A text and what became of it.

    Attributes:
        composition: the text.
        grades: its grading rounds, each as it was recorded last, in order.
        verdict: criterion to 0 or 1; None if it is unscored.
        outcome: in one word.
        reason: in a few words; empty for texts that are kept.
        cost_usd: of writing and grading it, rounds that were asked for again included.
        tokens: likewise.
    """

    composition: Composition
    grades: tuple[Grade, ...]
    verdict: Mapping[str, int] | None
    outcome: Outcome
    reason: str
    cost_usd: float
    tokens: int

    @property
    def id(self) -> str:
        """Of its line in a data set."""
        return text_id(self.composition)


def text_id(composition: Composition) -> str:
    """The id of a text in a data set: its combination's, and the generation."""
    return f"{composition.combination.id}-{composition.generation}"


def select(
    compositions: Iterable[Composition],
    grades: Mapping[str, Sequence[Grade]],
    targets: Mapping[int, int] | None = None,
    name_rule: bool = True,
    near_duplicates: float | None = None,
) -> list[Judged]:
    """Says of every text whether it is kept.

    What is kept depends on the texts before it only, so that texts written beyond a target change nothing.

    Args:
        compositions: the texts, in the order of the data set: of texts that repeat each other the first is kept.
        grades: text id to its grades, in the order of the records.
        targets: k to the number of texts to keep; None keeps all.
        name_rule: a skill that the text names earns nothing.
        near_duplicates: as in `SynthesisPlan`.
    """
    seen = SeenTexts(near_duplicates)
    kept: dict[int, int] = {}
    judged = []
    for composition in compositions:
        k = composition.combination.k
        recorded = grades.get(text_id(composition), ())
        rounds = tuple(grade for _, grade in sorted({grade.grading: grade for grade in recorded}.items()))
        graded = any(grade.status == "ok" for grade in rounds)
        named = check_text(composition.text, composition.combination).named if name_rule and graded else ()
        verdict = vote(rounds, named)
        outcome, reason = _quality(composition, rounds, verdict, named)
        if outcome == "kept" and targets is not None and kept.get(k, 0) >= targets.get(k, 0):
            outcome, reason = "surplus", "the target was reached"
        if outcome == "kept" and (twin := seen.twin(composition.text)) is not None:
            outcome, reason = "duplicate", f"the words of {twin.id}"
            if not twin.same_words:
                outcome, reason = "near_duplicate", f"{twin.similarity:.2f} similar to {twin.id}"
        if outcome == "kept":
            seen.add(text_id(composition), composition.text)
            kept[k] = kept.get(k, 0) + 1
        spent = [composition.usage, *(grade.usage for grade in recorded)]
        judged.append(
            Judged(
                composition,
                rounds,
                verdict,
                outcome,
                reason,
                cost_usd=composition.usage.get("cost_usd", 0.0) + sum(grade.cost_usd for grade in recorded),
                tokens=sum(use.get("prompt_tokens", 0) + use.get("completion_tokens", 0) for use in spent),
            )
        )
    return judged


def by_text(grades: Iterable[Grade]) -> dict[str, list[Grade]]:
    """Grades by the id of their text."""
    found: dict[str, list[Grade]] = {}
    for grade in grades:
        found.setdefault(f"{grade.combination_id}-{grade.generation}", []).append(grade)
    return found


def _quality(
    composition: Composition, rounds: Sequence[Grade], verdict: Mapping[str, int] | None, named: Sequence[str]
) -> tuple[Outcome, str]:
    if verdict is None:
        return "unscored", "; ".join(f"{grade.status}: {grade.reason}" for grade in rounds) or "no grade"
    if failed := [criterion for criterion, point in verdict.items() if not point]:
        return "failed", ", ".join(failed) + (f" (the text names {', '.join(named)})" if named else "")
    if composition.finish_reason != "stop":
        return "cut", f"the last answer ended by {composition.finish_reason}"
    return "kept", ""
