"""Reads a catalogue from YAML: a folder whose files are merged, or one file.

Each file holds any of the keys `skills`, `topics` and `incompatible` (lists; their fields are those of `Skill`,
`Topic` and `IncompatiblePair`). All problems of all files are listed at once.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from skillmix_lightning.catalogue.types import Catalogue, IncompatiblePair, Skill, Topic
from skillmix_lightning.errors import InputError, raise_all

HERE = Path(__file__).parent
BUILT_IN = ("verifiable",)

_Row = TypeVar("_Row", bound=BaseModel)


@cache
def load_catalogue(name_or_path: str = "verifiable") -> Catalogue:
    """Loads a built-in catalogue by name, or a user's by path.

    Raises:
        InputError: there is no such catalogue, or its files have problems (all are listed).
    """
    path = HERE / name_or_path if name_or_path in BUILT_IN else Path(name_or_path)
    if not path.exists():
        raise InputError(f"--catalogue {name_or_path}: no such file or folder; built in: {', '.join(BUILT_IN)}")
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"--catalogue {name_or_path}: the folder holds no .yaml file")

    problems: list[str] = []
    rows: dict[str, list[tuple[Path, int, Any]]] = {"skills": [], "topics": [], "incompatible": []}
    for file in files:
        for key, index, row in _rows_of(file, rows, problems):
            rows[key].append((file, index, row))
    catalogue = Catalogue(
        skills=tuple(_validated(Skill, rows["skills"], "skill", problems)),
        topics=tuple(_validated(Topic, rows["topics"], "topic", problems)),
        incompatible=tuple(_validated(IncompatiblePair, rows["incompatible"], "incompatible pair", problems)),
    )
    problems += _problems_between(catalogue)
    raise_all(str(path), problems)
    return catalogue


@cache
def lexicon(name: str) -> Any:
    """A word list of the verifiable catalogue, as its YAML file holds it.

    Checkers read what a definition calls "a word from the list", and the template student writes from the same list.
    """
    return yaml.safe_load((HERE / "verifiable" / "lexicons" / f"{name}.yaml").read_text(encoding="utf-8"))


def _rows_of(file: Path, keys: Iterable[str], problems: list[str]) -> Iterable[tuple[str, int, Any]]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problems.append(f"{file.name} cannot be read as YAML ({' '.join(str(error).split())})")
        return
    if not isinstance(content, dict):
        problems.append(f"{file.name} holds no mapping; give it the keys {', '.join(keys)}")
        return
    for key, value in content.items():
        if key not in keys:
            problems.append(f'{file.name} has the unknown key "{key}"; known: {", ".join(keys)}')
        elif not isinstance(value, list):
            problems.append(f'{file.name}, "{key}" is not a list')
        else:
            yield from ((key, index, row) for index, row in enumerate(value, start=1))


def _validated(kind: type[_Row], rows: list[tuple[Path, int, Any]], noun: str, problems: list[str]) -> Iterable[_Row]:
    for file, index, row in rows:
        name = f' "{row["name"]}"' if isinstance(row, dict) and "name" in row else ""
        try:
            yield kind.model_validate(row)
        except ValidationError as error:
            for problem in error.errors():
                field = ".".join(str(part) for part in problem["loc"])
                what = f"{field}: {problem['msg']}" if field else problem["msg"]
                problems.append(f"{file.name}, {noun} {index}{name}: {what}")


def _problems_between(catalogue: Catalogue) -> list[str]:
    problems = []
    for noun, names in (
        ("skill", [skill.name for skill in catalogue.skills]),
        ("topic", [topic.name for topic in catalogue.topics]),
        ("definition", [skill.definition for skill in catalogue.skills]),
    ):
        problems += [f'the {noun} "{name}" stands twice' for name, count in Counter(names).items() if count > 1]
    known = {skill.name for skill in catalogue.skills}
    for pair in catalogue.incompatible:
        problems += [f'incompatible pair: no skill is called "{name}"' for name in pair.skills if name not in known]
    for split in ("train", "held_out"):
        if not catalogue.split_skills(split):
            problems.append(f"no skill is in the {split} split")
        if not catalogue.split_topics(split):
            problems.append(f"no topic is in the {split} split")
    return problems
