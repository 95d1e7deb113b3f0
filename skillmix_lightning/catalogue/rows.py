"""From the rows of catalogue files to skills, topics and pairs, with a line for each thing that is wrong.

Both file formats (`yaml_files`, `reference_files`) end here, so a mistake reads the same in either.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from skillmix_lightning.catalogue.types import Catalogue, Category, IncompatiblePair, Skill, Topic

#: What a row can be, by the key of the YAML format it stands under.
KINDS: dict[str, type[BaseModel]] = {"skills": Skill, "topics": Topic, "incompatible": IncompatiblePair}

CATEGORIES: tuple[str, ...] = get_args(Category)

_MENDS = {
    "definition": "give one sentence that a grader can apply",
    "example": "give a text that shows the skill and does not name it",
    "reason": "say why the two cannot stand in one text",
}

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Row:
    """One entry of a catalogue file.

    Attributes:
        where: its place, for messages: 'skills.csv, line 4', 'a.yaml, skill 2'.
        kind: a key of `KINDS`.
        content: as read; for a good row a mapping of the kind's fields.
    """

    where: str
    kind: str
    content: Any


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that suggests the nearest known name, or nothing."""
    near = difflib.get_close_matches(name.casefold(), known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def catalogue_of(rows: Sequence[Row], problems: list[str]) -> Catalogue:
    """The catalogue of the rows; what is wrong with them is added to `problems`, and then it is not to be used."""
    skills = _validated(Skill, "skills", rows, problems)
    topics = _validated(Topic, "topics", rows, problems)
    pairs = _validated(IncompatiblePair, "incompatible", rows, problems)
    problems += _doubles("skill", [(where, skill.name) for where, skill in skills])
    problems += _doubles("topic", [(where, topic.name) for where, topic in topics])
    problems += _doubles("definition", [(where, skill.definition) for where, skill in skills])
    names = [skill.name for _, skill in skills]
    for where, pair in pairs:
        unknown = [name for name in pair.skills if name not in names]
        problems += [f'{where}: no skill is called "{name}"{nearest(name, names)}' for name in unknown]
        if pair.skills[0] == pair.skills[1]:
            problems.append(f'{where}: "{pair.skills[0]}" is paired with itself')
    catalogue = Catalogue(
        skills=tuple(skill for _, skill in skills),
        topics=tuple(topic for _, topic in topics),
        incompatible=tuple(pair for _, pair in pairs),
    )
    for split in ("train", "held_out"):
        if not catalogue.split_skills(split):
            problems.append(f"no skill is in the {split} split")
        if not catalogue.split_topics(split):
            problems.append(f"no topic is in the {split} split")
    return catalogue


def _validated(model: type[_Model], kind: str, rows: Iterable[Row], problems: list[str]) -> list[tuple[str, _Model]]:
    """(where, what it became) of each good row of the kind."""
    valid = []
    for row in rows:
        if row.kind != kind:
            continue
        try:
            valid.append((row.where, model.model_validate(row.content)))
        except ValidationError as error:
            name = row.content.get("name") if isinstance(row.content, dict) else None
            label = f'{row.where} "{name}"' if name else row.where
            problems += [f"{label}: {_clause(problem, model)}" for problem in error.errors()]
    return valid


def _clause(problem: Any, model: type[BaseModel]) -> str:
    """One of pydantic's problems in a user's words."""
    field = ".".join(str(part) for part in problem["loc"])
    given = problem["input"]
    match problem["type"]:
        case "missing":
            return f"the field {field} is missing" + _mend(field)
        case "extra_forbidden":
            return f'the field "{field}" is unknown' + (
                nearest(field, model.model_fields) or f"; known: {', '.join(model.model_fields)}"
            )
        case "value_error":
            return f"the {field} {problem['ctx']['error']}" + _mend(field)
        case "string_too_short" if not given.strip():
            return f"the {field} is empty"
        case "string_type" if isinstance(given, bool | int | float):
            return f"the {field} was read as {given!r}, not as text; put it in quotation marks"
        case "literal_error" if field == "category":
            return f'the category "{given}" is unknown' + (
                nearest(str(given), CATEGORIES) or f"; known: {', '.join(CATEGORIES)}"
            )
        case "model_type" | "dict_type":
            return f"is not a mapping with the fields {', '.join(model.model_fields)}"
        case _:
            return f"{field}: {problem['msg']}"


def _mend(field: str) -> str:
    return f"; {_MENDS[field]}" if field in _MENDS else ""


def _doubles(noun: str, named: Iterable[tuple[str, str]]) -> list[str]:
    """Names that differ in case and blanks only are the same: a grader's table is read by name, whatever the case."""
    places: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for where, name in named:
        key = " ".join(name.casefold().split())
        spelled.setdefault(key, name)
        places.setdefault(key, []).append(where)
    return [
        f'the {noun} "{spelled[key]}" stands {len(found)} times ({" and ".join(found)})'
        for key, found in places.items()
        if len(found) > 1
    ]
