"""Who grades: the rubric's k + 3 criteria, and the graders that give its points.

The graders themselves are imported when they are first asked for: verbs that only read grades need neither their word
lists nor a client.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from skillmix_lightning.graders.base import Grade, Grader, Status
from skillmix_lightning.graders.rubric import LENGTH, SENSE, TOPIC, Rubric, response_schema, skill_criterion

if TYPE_CHECKING:
    from skillmix_lightning.graders.checker import CheckerGrader
    from skillmix_lightning.graders.endpoint import EndpointGrader

_MODULES = {"CheckerGrader": "checker", "EndpointGrader": "endpoint"}

__all__ = [
    "LENGTH",
    "SENSE",
    "TOPIC",
    "CheckerGrader",
    "EndpointGrader",
    "Grade",
    "Grader",
    "Rubric",
    "Status",
    "response_schema",
    "skill_criterion",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
