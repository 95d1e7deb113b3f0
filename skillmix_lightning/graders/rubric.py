"""The rubric of a combination: its k + 3 criteria, one point each (arXiv 2409.19808, section 3.3)."""

from dataclasses import dataclass

from skillmix_lightning.catalogue import Combination

TOPIC, SENSE, LENGTH = "topic", "sense", "length"


def skill_criterion(name: str) -> str:
    """The criterion id of a skill."""
    return f"skill:{name}"


@dataclass(frozen=True)
class Rubric:
    """The criteria ids of a combination, in the order graders show them: skills, topic, sense, length."""

    criteria: tuple[str, ...]

    @classmethod
    def of(cls, combination: Combination) -> "Rubric":
        """The rubric of a combination."""
        return cls((*(skill_criterion(name) for name in combination.skills), TOPIC, SENSE, LENGTH))
