"""Loads prompt sets: built in, a folder of YAML files, or the reference implementation's folder of JSON files.

A folder of one's own holds `generation.yaml` (key `turns`: what the user says, turn by turn) and, if it is to grade
with, `grading.yaml` (`turns`: one; `format`: table or json; optionally `criteria`: the wording of `skill`, `topic`,
`sense` and `length`). The fields are listed in `prompts/render.py`. The reference implementation's folder holds
`generation/*.json` and `grade/*.json`; `DIR` means its `default` and `gpt`, `DIR:GENERATION:GRADE` names others.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.prompts import reference
from skillmix_lightning.prompts.render import (
    FIELD,
    GENERATION_FIELDS,
    GRADING_FIELDS,
    Grading,
    GradingFormat,
    PromptSet,
)
from skillmix_lightning.prompts.wording import RubricWording

HERE = Path(__file__).parent
BUILT_IN = ("brief-v1", "hardened-v1", "paper-v1")
_CRITERIA_FIELDS = {"skill": {"skill"}, "topic": {"topic"}, "sense": set[str](), "length": {"sentence_limit"}}


@cache
def load_prompts(name_or_path: str) -> PromptSet:
    """Loads a prompt set.

    Args:
        name_or_path: a built-in set's name, a folder, or `DIR:GENERATION:GRADE` for a folder of the reference
            implementation.

    Raises:
        InputError: there is none, or its files have problems (all of a file's are listed).
    """
    if name_or_path in BUILT_IN:
        return _own(HERE / name_or_path, name_or_path)
    folder, names = Path(name_or_path), ["default", "gpt"]
    if not folder.exists() and name_or_path.count(":") >= 2:
        path, *names = name_or_path.rsplit(":", 2)
        return _reference(Path(path), names, name_or_path)
    if not (folder / "generation.yaml").exists() and (folder / "generation").is_dir():
        return _reference(folder, names, name_or_path)
    return _own(folder, name_or_path)


def _own(folder: Path, asked: str) -> PromptSet:
    file = folder / "generation.yaml"
    contents = [_bytes(file, f"--prompts {asked}", f"give a folder with one, or {', '.join(BUILT_IN)}")]
    generation = _turns(_mapping(contents[0], file), file, GENERATION_FIELDS)
    grading, file = None, folder / "grading.yaml"
    if file.exists():
        contents.append(_bytes(file, f"--prompts {asked}", "its folder has one that cannot be read"))
        grading = _grading(_mapping(contents[1], file), file)
    return PromptSet(folder.name, _sha256(contents), generation, grading)


def _reference(folder: Path, names: Sequence[str], asked: str) -> PromptSet:
    files = [folder / part / f"{name}.json" for part, name in zip(("generation", "grade"), names, strict=True)]
    contents = [_bytes(file, f"--prompts {asked}", "give DIR:GENERATION:GRADE with the names of two") for file in files]
    read = [
        reference.read_turns(content, fields)
        for content, fields in zip(contents, (reference.GENERATION_FIELDS, reference.GRADING_FIELDS), strict=True)
    ]
    for file, (_, problems) in zip(files, read, strict=True):
        raise_all(str(file), problems)
    (generation, _), (graded, _) = read
    raise_all(
        str(files[1]),
        ["must be one turn"] if len(graded) != 1 else _missing(graded[0], "student_answer", "rubric_items"),
    )
    kind: GradingFormat = "table" if "table" in graded[0].lower() else "prose"
    grading = Grading(graded[0], kind, reference.grading_wording(files[1]))
    return PromptSet(":".join((folder.resolve().name, *names)), _sha256(contents), generation, grading, "reference")


def _grading(content: dict[str, Any], file: Path) -> Grading:
    turns = _turns(content, file, GRADING_FIELDS)
    kind: Any = content.get("format")
    problems = [
        f'unknown key "{key}"; known: criteria, format, turns'
        for key in content
        if key not in ("criteria", "format", "turns")
    ]
    if kind not in ("table", "json"):
        problems.append('the key "format" must be table or json')
    if len(turns) != 1:
        problems.append("grading is one turn")
    criteria = "criteria_by_id" if kind == "json" else "criteria"
    problems += _missing(turns[0], "text", criteria)
    wording = content.get("criteria", {})
    problems += _wording_problems(wording)
    raise_all(str(file), problems)
    return Grading(turns[0], kind, RubricWording(**wording))


def _wording_problems(wording: object) -> list[str]:
    if not isinstance(wording, dict):
        return ['the key "criteria" must map skill, topic, sense and length to their wording']
    problems = []
    for key, text in wording.items():
        if key not in _CRITERIA_FIELDS:
            problems.append(f'criteria: unknown key "{key}"; known: {", ".join(_CRITERIA_FIELDS)}')
        elif not isinstance(text, str) or set(FIELD.findall(text)) != _CRITERIA_FIELDS[key] or not text.strip():
            fields = " and ".join(f"{{{name}}}" for name in _CRITERIA_FIELDS[key]) or "none"
            problems.append(f"criteria: {key} must be a text whose field is {fields}")
    return problems


def _turns(content: dict[str, Any], file: Path, fields: frozenset[str]) -> tuple[str, ...]:
    turns = content.get("turns")
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) and turn.strip() for turn in turns):
        raise InputError(f'{file}: the key "turns" must be a list of at least one text')
    unknown = {field for turn in turns for field in FIELD.findall(turn)} - fields
    known = ", ".join(sorted(fields))
    raise_all(str(file), [f"unknown field {{{field}}}; known: {known}" for field in sorted(unknown)])
    return tuple(turns)


def _missing(turn: str, *fields: str) -> list[str]:
    return [f"the grading turn lacks the field {{{field}}}" for field in fields if f"{{{field}}}" not in turn]


def _mapping(content: bytes, file: Path) -> dict[str, Any]:
    try:
        mapping = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    return mapping if isinstance(mapping, dict) else {}


def _bytes(file: Path, what: str, mend: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        raise InputError(f"{what}: no file {file}; {mend}") from None


def _sha256(contents: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()
