"""Who grades: the rubric's k + 3 criteria, and the graders that give its points."""

from skillmix_lightning.graders.base import Grade, Grader, Status
from skillmix_lightning.graders.checker import CheckerGrader
from skillmix_lightning.graders.rubric import LENGTH, SENSE, TOPIC, Rubric, skill_criterion

__all__ = [
    "LENGTH",
    "SENSE",
    "TOPIC",
    "CheckerGrader",
    "Grade",
    "Grader",
    "Rubric",
    "Status",
    "skill_criterion",
]
