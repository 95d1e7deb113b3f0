"""A results folder of the reference implementation of SKILL-MIX, as it lies on disk.

Texts are in `<root>/k<k>_s<seed>_v<prompt>_r<round>/<student>/records.csv`, gradings beside them in
`graded/by_<grader>_on_text_1_<round>_<prompt>/records.csv`, row by row for the same combinations; rounds count from 1.
Nothing is repaired here: what cannot be read is an `InputError`, what is missing is left to the caller to see.
"""

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.students.base import Message

_RECORDS = "records.csv"
_GRADED = "graded"
_ROUND_FOLDER = re.compile(r"k(?P<k>\d+)_s(?P<seed>-?\d+)_v(?P<prompt>.+)_r(?P<round>[1-9]\d*)")
_GRADING_FOLDER = re.compile(r"by_(?P<grader>.+)_on_text_1_(?P<round>[1-9]\d*)_(?P<prompt>.+)")
_BETWEEN_SKILLS = re.compile(r",[^\S\n]*\n\s*")
#: Conversation templates name the two roles differently: user and assistant.
_ROLES = (("user", "assistant"), ("[INST]", "[/INST]"))


@dataclass(frozen=True)
class Row:
    """What both kinds of rows say: for which skills and topic, and the conversation."""

    skills: tuple[str, ...]
    topic: str
    turns: tuple[Message, ...]

    @property
    def asked_for(self) -> tuple[tuple[str, ...], str]:
        """Skills and topic, comparable between files, which put different blanks in names."""
        return tuple(" ".join(name.split()) for name in self.skills), self.topic


@dataclass(frozen=True)
class TextRow(Row):
    """One text: what the student answered last, without the explanation."""

    text: str


@dataclass(frozen=True)
class Grading:
    """The file of one grading round; each row's last turn is the grader's reply."""

    round: int
    prompt: str
    file: Path
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Generation:
    """The file of one generation round, and its gradings in the order of their rounds."""

    k: int
    seed: int
    prompt: str
    round: int
    file: Path
    rows: tuple[TextRow, ...] = ()
    gradings: tuple[Grading, ...] = ()


def read_results(
    root: Path, student: str, grader: str, generation_prompt: str | None = None, grading_prompt: str | None = None
) -> tuple[Generation, ...]:
    """Reads all that a student wrote and a grader graded, by k, seed and round.

    Args:
        root: the folder.
        student: whose texts.
        grader: whose gradings.
        generation_prompt: only rounds made with this prompt; needed where one k has several.
        grading_prompt: likewise for gradings.

    Raises:
        InputError: the folder, student or grader is unknown (those that exist are named), a k has several prompts, or
            a file is malformed.
    """
    found = _layout(root)
    if not found:
        raise InputError(f"{root}: holds no folder of results, such as k3_s10_vdefault_r1, with a {_RECORDS} in it")
    if student not in found:
        raise InputError(f'{root}: holds no texts by student "{student}"; it has {", ".join(sorted(found))}')
    generations = _of_prompt(found[student], generation_prompt, f"{root}: texts by {student}", "generation_prompt")
    gradings = {generation.file: list(_gradings(generation.file.parent)) for generation in generations}
    graders = {name for several in gradings.values() for name, _ in several}
    if grader not in graders:
        has = ", ".join(sorted(graders)) or "none"
        raise InputError(f'{root}: holds no grades of {student} by grader "{grader}"; it has {has}')
    by_grader = [
        replace(g, gradings=tuple(grading for name, grading in gradings[g.file] if name == grader)) for g in generations
    ]
    where = f"{root}: grades of {student} by {grader}"
    return tuple(_read(generation) for generation in _of_grading_prompt(by_grader, grading_prompt, where))


def _layout(root: Path) -> dict[str, list[Generation]]:
    """Student to the generation rounds that exist, not read yet."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    found: dict[str, list[Generation]] = {}
    for folder in sorted(root.iterdir()):
        name = _ROUND_FOLDER.fullmatch(folder.name)
        if not name:
            continue
        for file in sorted(folder.rglob(_RECORDS)):
            student = file.parent.relative_to(folder)
            if _GRADED not in student.parts:
                generation = Generation(int(name["k"]), int(name["seed"]), name["prompt"], int(name["round"]), file)
                found.setdefault(student.as_posix(), []).append(generation)
    for generations in found.values():
        generations.sort(key=lambda g: (g.k, g.seed, g.round))
    return found


def _gradings(student_folder: Path) -> Iterator[tuple[str, Grading]]:
    """Grader and grading, by round, not read yet."""
    graded = student_folder / _GRADED
    files = sorted(graded.rglob(_RECORDS))
    found = [(_GRADING_FOLDER.fullmatch(file.parent.relative_to(graded).as_posix()), file) for file in files]
    gradings = [(name["grader"], Grading(int(name["round"]), name["prompt"], file)) for name, file in found if name]
    yield from sorted(gradings, key=lambda pair: pair[1].round)


def _of_prompt(generations: Sequence[Generation], prompt: str | None, where: str, option: str) -> list[Generation]:
    chosen = [g for g in generations if prompt in (None, g.prompt)]
    if not chosen:
        raise InputError(f'{where}: none with {option} "{prompt}"; there are {_names(g.prompt for g in generations)}')
    by_k = {g.k: {h.prompt for h in chosen if h.k == g.k} for g in chosen}
    raise_all(where, [_several(k, prompts, option) for k, prompts in by_k.items() if len(prompts) > 1])
    return chosen


def _of_grading_prompt(generations: Sequence[Generation], prompt: str | None, where: str) -> list[Generation]:
    option = "grading_prompt"
    prompts = {g.k: {grading.prompt for h in generations if h.k == g.k for grading in h.gradings} for g in generations}
    if prompt is None:
        raise_all(where, [_several(k, names, option) for k, names in prompts.items() if len(names) > 1])
    elif not any(prompt in names for names in prompts.values()):
        raise InputError(f'{where}: none with {option} "{prompt}"; there are {_names(set().union(*prompts.values()))}')
    return [replace(g, gradings=tuple(h for h in g.gradings if prompt in (None, h.prompt))) for g in generations]


def _several(k: int, prompts: Iterable[str], option: str) -> str:
    return f"for k={k} there are several prompts ({_names(prompts)}), choose one by {option}"


def _names(prompts: Iterable[str]) -> str:
    return ", ".join(sorted(set(prompts)))


def _read(generation: Generation) -> Generation:
    texts = []
    for number, record in _records(generation.file, ("text_1",)):
        row = _row(record, generation.k, f"{generation.file}, row {number}")
        texts.append(TextRow(row.skills, row.topic, row.turns, record["text_1"]))
    gradings = [
        replace(
            grading,
            rows=tuple(_row(r, generation.k, f"{grading.file}, row {n}") for n, r in _records(grading.file, ())),
        )
        for grading in generation.gradings
    ]
    return replace(generation, rows=tuple(texts), gradings=tuple(gradings))


def _records(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Row number from 1, and the row."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, strict=True)
            columns = ("k", "skills", "topic", *columns)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            raise_all(str(file), [f'no column "{column}"' for column in missing])
            for number, record in enumerate(reader, start=1):
                if None in record or None in record.values():
                    raise InputError(f"{file}, row {number}: it has not as many fields as there are columns")
                yield number, record
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: cannot be read as CSV ({error})") from None
    finally:
        csv.field_size_limit(limit)


def _row(record: Mapping[str, str], k: int, where: str) -> Row:
    skills = tuple(name.strip() for name in _BETWEEN_SKILLS.split(record["skills"].strip()))
    if len(skills) == 1:  # a file written anew by another program may have the names in one line
        skills = tuple(name.strip() for name in record["skills"].split(",")) if k > 1 else skills
    turns = tuple(_turns(record))
    problems = []
    if record["k"].strip() != str(k):
        problems.append(f"its k is {record['k']}, the folder's is {k}")
    if len(skills) != k or not all(skills) or len(set(skills)) != k:
        problems.append(f"its skills are not {k} different names: {', '.join(skills)}")
    if not turns or turns[-1]["role"] != "assistant":
        problems.append(f"it has no columns {' or '.join(f'{user}_0 and {model}_0' for user, model in _ROLES)}")
    raise_all(where, problems)
    return Row(skills, record["topic"], turns)


def _turns(record: Mapping[str, str]) -> Iterator[Message]:
    system = record.get("system prompt", "")
    if system:
        yield {"role": "system", "content": system}
    for user, model in _ROLES:
        turn = 0
        while (asked := f"{user}_{turn}") in record and (answered := f"{model}_{turn}") in record:
            yield {"role": "user", "content": record[asked]}
            yield {"role": "assistant", "content": record[answered]}
            turn += 1
