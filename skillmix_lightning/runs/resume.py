"""Going on with a run: whether that is asked for, whether it is the same run, and what is missing in it.

What is missing is found by key, (combination, generation) for a text and (combination, generation, grader, grading) for
a grade, never by counting lines: files of a run that was killed hold any part of the work, in any order.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.students.base import Composition, Request

#: What to do about a run that is there already. `never`: refuse it; `always`: insist on one; `if-possible`: either.
Resume = Literal["never", "always", "if-possible"]

#: Which grading rounds on record are asked for again. `errors`: those in which the grader could not be reached, so that
#: nothing was graded; `unscored`: also those whose replies were refusals, cut or unreadable.
Regrade = Literal["errors", "unscored"]

#: A text and the number of one of its grading rounds.
Round = tuple[Composition, int]

_SHOWN = 60


def check_resume(folder: Path, is_there: bool, resume: Resume) -> None:
    """Refuses to start where a run is to be gone on with, and the other way round.

    Raises:
        InputError: as `Resume` says.
    """
    if resume == "never" and is_there:
        raise InputError(
            f"{folder}: holds a run already, and --resume is never; give --out a folder of its own, or --resume always"
        )
    if resume == "always" and not is_there:
        raise InputError(f"{folder}: holds no run to go on with, and --resume is always; check --out")


def differences(old: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Every setting in which two manifests differ, as "key: old → asked"; keys of nested ones are joined by dots."""
    return list(_differences(old, json.loads(json.dumps(asked)), ""))


def missing_requests(requests: Iterable[Request], compositions: Iterable[Composition]) -> list[Request]:
    """The requests that none of the compositions answers."""
    done = {(c.combination.id, c.generation) for c in compositions}
    return [request for request in requests if (request.combination.id, request.generation) not in done]


def missing_rounds(
    compositions: Sequence[Composition],
    grades: Iterable[Grade],
    grader: str,
    gradings: int,
    regrade: Regrade = "errors",
) -> list[Round]:
    """The grading rounds that are still to be asked for, text by text.

    Args:
        compositions: the texts.
        grades: those on record; of a round that is there twice the last counts.
        grader: its name. Grades by others do not count.
        gradings: rounds per text.
        regrade: which rounds on record count as missing.
    """
    last = {(g.combination_id, g.generation, g.grading): g.status for g in grades if g.grader == grader}
    settled = {key for key, status in last.items() if status == "ok" or (regrade == "errors" and status != "error")}
    return [
        (composition, grading)
        for composition in compositions
        for grading in range(gradings)
        if (composition.combination.id, composition.generation, grading) not in settled
    ]


def _differences(old: Any, asked: Any, key: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(asked, dict):
        for name in dict.fromkeys([*asked, *old]):
            yield from _differences(
                old.get(name, _ABSENT), asked.get(name, _ABSENT), f"{key}.{name}" if key else str(name)
            )
    elif old != asked:
        yield f"{key}: {_shown(old)} → {_shown(asked)}"


_ABSENT = object()


def _shown(value: Any) -> str:
    text = "(none)" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
