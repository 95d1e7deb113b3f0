"""Which combinations a data set was made of, by its own record: what an evaluation must not ask for."""

from itertools import islice
from pathlib import Path
from typing import Any

from skillmix_lightning.catalogue import Content
from skillmix_lightning.errors import InputError
from skillmix_lightning.runs.jsonl import parse_row

_SHOWN_PROBLEMS = 10


def trained_combinations(path: Path) -> set[Content]:
    """The combinations of a data set's texts, as their set of skills and their topic.

    Args:
        path: JSONL, one text a line, with at least the fields `skills` and `topic`.

    Raises:
        InputError: the file is missing or has no line, or lines are malformed; the first ten are listed.
    """
    # A last line without a line feed counts: a data set may come from an editor, unlike the records of a run.
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: the data set cannot be read ({error.strerror})") from None
    found: set[Content] = set()
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            found.add(_content(parse_row(line, f"line {number}"), number))
        except InputError as error:
            problems.append(str(error))
    if problems:
        more = f"; and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        raise InputError(f"{path}, " + "; ".join(islice(problems, _SHOWN_PROBLEMS)) + more)
    if not found:
        raise InputError(f"{path}: the data set is empty")
    return found


def _content(row: dict[str, Any], number: int) -> Content:
    skills, topic = row.get("skills"), row.get("topic")
    if not isinstance(skills, list) or not skills or not all(isinstance(name, str) for name in skills):
        raise InputError(f'line {number}: the field "skills" is not a list of names')
    if not isinstance(topic, str):
        raise InputError(f'line {number}: the field "topic" is not a name')
    return frozenset(skills), topic
