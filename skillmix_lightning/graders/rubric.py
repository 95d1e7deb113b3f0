"""The rubric of a combination: its k + 3 criteria, one point each (arXiv 2409.19808, section 3.3)."""

from dataclasses import dataclass
from typing import Any

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.prompts.wording import (
    LENGTH,
    SENSE,
    TOPIC,
    RubricWording,
    criterion_ids,
    sentences,
    skill_criterion,
)

__all__ = ["LENGTH", "SENSE", "TOPIC", "Rubric", "response_schema", "skill_criterion"]

_DEFAULT = RubricWording()


@dataclass(frozen=True)
class Rubric:
    """The criteria of a combination, in the order graders read them: skills, topic, sense, length.

    Attributes:
        criteria: their ids: "skill:<name>", "topic", "sense", "length".
        labels: how each is worded for a grader. Skills are in lower case, as the reference implementation has them.
    """

    criteria: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, combination: Combination, wording: RubricWording = _DEFAULT) -> "Rubric":
        """The rubric of a combination."""
        labels = (
            *(wording.skill.replace("{skill}", name.lower()) for name in combination.skills),
            wording.topic.replace("{topic}", combination.topic),
            wording.sense,
            wording.length.replace("{sentence_limit}", sentences(combination.sentence_limit)),
        )
        return cls(criterion_ids(combination), labels)


def response_schema(rubric: Rubric) -> dict[str, Any]:
    """The JSON schema of a verdict: 0 or 1 for each criterion id, all of them and nothing else."""
    return {
        "type": "object",
        "properties": {criterion: {"type": "integer", "enum": [0, 1]} for criterion in rubric.criteria},
        "required": list(rubric.criteria),
        "additionalProperties": False,
    }
