"""Which checker decides which skill."""

from collections.abc import Callable
from typing import TypeAlias

from skillmix_lightning.graders.text import Text

Checker: TypeAlias = Callable[[Text], bool]

CHECKERS: dict[str, Checker] = {}


def checks(skill: str) -> Callable[[Checker], Checker]:
    """Registers the decorated function as the checker of a skill of the verifiable catalogue."""

    def register(function: Checker) -> Checker:
        assert skill not in CHECKERS, f"two checkers for {skill}"
        CHECKERS[skill] = function
        return function

    return register
