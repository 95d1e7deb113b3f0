"""Combinations that a user names, instead of a draw."""

from pathlib import Path
from typing import Any, get_args

from skillmix_lightning.catalogue import Catalogue, Combination, Split
from skillmix_lightning.catalogue.draw import MAX_K, combination_of
from skillmix_lightning.errors import InputError
from skillmix_lightning.runs.jsonl import parse_row

_SHOWN_PROBLEMS = 10


def read_combinations(path: Path, catalogue: Catalogue) -> list[Combination]:
    """The combinations of a JSONL file: `skills`, `topic` and, if not "all", `split`; a data set is such a file too.

    Args:
        path: one combination a line; other fields are passed over, and so are lines that repeat a combination.
        catalogue: has the skills and the topics.

    Raises:
        InputError: the file cannot be read or names no combination, or lines are malformed; the first ten are listed.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"--combinations_file {path}: cannot be read ({error.strerror})") from None
    found: dict[str, Combination] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            combination = _combination(parse_row(line, f"line {number}"), catalogue, number)
        except InputError as error:
            problems.append(str(error))
            continue
        if found.setdefault(combination.id, combination).split != combination.split:
            problems.append(f"line {number}: an earlier line has the same skills and topic under another split")
    if problems:
        more = [f"and {len(problems) - _SHOWN_PROBLEMS} more"] if len(problems) > _SHOWN_PROBLEMS else []
        raise InputError(f"{path}, " + "; ".join(problems[:_SHOWN_PROBLEMS] + more))
    if not found:
        raise InputError(f'{path}: names no combination; give lines such as {{"skills": ["…"], "topic": "…"}}')
    return list(found.values())


def _combination(row: dict[str, Any], catalogue: Catalogue, number: int) -> Combination:
    where = f"line {number}"
    skills, topic, split = row.get("skills"), row.get("topic"), row.get("split", "all")
    if not isinstance(skills, list) or not all(isinstance(name, str) for name in skills):
        raise InputError(f'{where}: the field "skills" is not a list of names')
    if not isinstance(topic, str):
        raise InputError(f'{where}: the field "topic" is not a name')
    if split not in get_args(Split):
        raise InputError(f"{where}: the split is {split!r}, and must be one of {', '.join(get_args(Split))}")
    if not 1 <= len(skills) <= MAX_K or len(set(skills)) < len(skills):
        raise InputError(f"{where}: there are {len(skills)} skills; give 1 to {MAX_K} different ones")
    try:
        names = [catalogue.skill(name).name for name in skills]
        place = catalogue.topic(topic).name
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return combination_of(catalogue, split, names, place)
