"""Which writer makes the fragment of which skill."""

from collections.abc import Callable
from typing import TypeAlias

from skillmix_lightning.students.template.words import Words

#: Writes a fragment: part of a sentence, lower case unless it opens with a name, without its closing full stop. A
#: fragment that must close its sentence ends with "?" or "!".
Writer: TypeAlias = Callable[[Words], str]

WRITERS: dict[str, Writer] = {}


def writes(skill: str) -> Callable[[Writer], Writer]:
    """Registers the decorated function as the writer of a skill of the verifiable catalogue."""

    def register(function: Writer) -> Writer:
        assert skill not in WRITERS, f"two writers for {skill}"
        WRITERS[skill] = function
        return function

    return register
