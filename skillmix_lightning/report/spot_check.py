"""Spot checks of a grader by people: a blind sample of texts goes out, points come back, and agreement is reckoned.

The sheet is CSV with one row per criterion of a text. It says nothing of the student, the grader, its points, or which
texts belong together; that is in the key, which people who grade do not get.
"""

import csv
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skillmix_lightning.catalogue import Catalogue
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.graders.base import Grade, Status
from skillmix_lightning.graders.rubric import Rubric, skill_criterion
from skillmix_lightning.report.results import JudgedText
from skillmix_lightning.runs.run import write_json
from skillmix_lightning.scoring.agreement import Agreement, between_graders
from skillmix_lightning.scoring.metrics import OTHERS, vote

SHEET, KEY = "texts.csv", "key.json"
PERSON = "person"

_COLUMNS = ("row", "text", "topic", "criterion", "definition", "point")
#: A cell that begins so is a formula to a spreadsheet; an apostrophe before it makes it a text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SHOWN_PROBLEMS = 10


@dataclass(frozen=True)
class CheckedCriterion:
    """A criterion, how often the person and the grader agree on it, and who is the stricter where they do not.

    Attributes:
        agreement: raw agreement and kappa with intervals, from texts whose every criterion the person filled in.
        grader_only: points that the grader gives and the person does not.
        person_only: points that the person gives and the grader does not.
    """

    agreement: Agreement
    grader_only: int
    person_only: int


@dataclass(frozen=True)
class SpotCheck:
    """What came back: the criteria, how many texts were filled in, and how many were not or not to the end."""

    criteria: tuple[CheckedCriterion, ...]
    texts: int
    unfinished: int


def sample(texts: Sequence[JudgedText], number: int, seed: int = 0) -> list[JudgedText]:
    """A stratified sample in random order: as many texts with full marks as without, of every split and k alike.

    A stratum that has fewer gives all it has. Texts without points are left out: there is nothing to agree with.

    Args:
        texts: a run's.
        number: how many to draw; fewer if there are fewer.
        seed: of the draw.
    """
    strata: dict[tuple[str, int, bool], list[JudgedText]] = defaultdict(list)
    for text in texts:
        if text.score is not None:
            strata[*text.cell, text.score.full_marks == 1].append(text)
    draw = random.Random(f"spot check {seed}")
    for stratum in strata.values():
        draw.shuffle(stratum)
    chosen: list[JudgedText] = []
    while len(chosen) < number and any(strata.values()):
        for _, stratum in sorted(strata.items()):
            if stratum and len(chosen) < number:
                chosen.append(stratum.pop())
    draw.shuffle(chosen)
    return chosen


def write_sheet(folder: Path, texts: Sequence[JudgedText], catalogue: Catalogue | None) -> None:
    """Writes the sheet for people and the key to it.

    Args:
        folder: is made; it must not hold a sheet, which somebody may have filled in.
        texts: the sample.
        catalogue: where the skills' definitions stand.

    Raises:
        InputError: there is a sheet, or the folder cannot be written.
    """
    if (folder / SHEET).exists():
        raise InputError(f"--out {folder}: holds a {SHEET} already; give a folder of its own")
    definitions = {skill.name: skill.definition for skill in catalogue.skills} if catalogue else {}
    rows: list[tuple[str, ...]] = []
    for number, text in enumerate(texts):
        combination = text.composition.combination
        told = [*(definitions.get(name, "") for name in combination.skills), *("" for _ in OTHERS)]
        for place, (label, definition) in enumerate(zip(Rubric.of(combination).labels, told, strict=True)):
            about = map(_cell, (text.composition.text, combination.topic, label, definition))
            rows.append((_row(number, place), *about, ""))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The mark at the start tells spreadsheets that this is UTF-8; half a surrogate pair is written as an escape.
        with (folder / SHEET).open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
            csv.writer(file).writerows([_COLUMNS, *rows])
        write_json(folder / KEY, {"texts": [_key(text) for text in texts]})
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror})") from None


def read_sheet(sheet: Path, key: Path, texts: Sequence[JudgedText]) -> SpotCheck:
    """Reads a sheet that came back and sets it beside the grader's verdicts, without the name rule, which is code's.

    Args:
        sheet: the CSV file; columns other than "row" and "point" do not matter, nor does the order of rows.
        key: written with it.
        texts: of the run that it was drawn from.

    Raises:
        InputError: a file cannot be read, points are none (all are listed), or the key is not this run's.
    """
    sampled = _sampled(key, texts)
    points = _points(sheet, {row for place, text in enumerate(sampled) for row in _rows(place, text)})
    person = []
    for place, text in enumerate(sampled):
        given = [points.get(row) for row in _rows(place, text)]
        filled = {c: p for c, p in zip(_criteria(text), given, strict=True) if p is not None}
        whole = len(filled) == len(given)
        combination, generation = text.composition.combination, text.composition.generation
        status: Status = "ok" if whole else "unparsed"
        person.append(Grade(combination.id, generation, 0, PERSON, status, dict(filled) if whole else {}))
    grades = {PERSON: person, "grader": [grade for text in sampled for grade in text.rounds]}
    finished = sum(grade.status == "ok" for grade in person)
    rows = [
        CheckedCriterion(row, *_one_sided(row.criterion, sampled, person))
        for row in between_graders([text.composition for text in sampled], grades)
    ]
    return SpotCheck(tuple(rows), finished, len(sampled) - finished)


def _one_sided(criterion: str, texts: Sequence[JudgedText], person: Sequence[Grade]) -> tuple[int, int]:
    """Points that only the grader gives, and those that only the person gives."""
    grader_only = person_only = 0
    for text, grade in zip(texts, person, strict=True):
        verdict = vote(text.rounds)
        if grade.status != "ok" or verdict is None:
            continue
        for name in _criteria(text):
            if criterion in ("all", name if name in OTHERS else "skills"):
                grader_only += verdict[name] > grade.points[name]
                person_only += verdict[name] < grade.points[name]
    return grader_only, person_only


def _criteria(text: JudgedText) -> tuple[str, ...]:
    return (*map(skill_criterion, text.composition.combination.skills), *OTHERS)


def _rows(place: int, text: JudgedText) -> list[str]:
    return [_row(place, number) for number, _ in enumerate(_criteria(text))]


def _row(place: int, number: int) -> str:
    """The name of a criterion's row: one that no spreadsheet takes for a date or a number."""
    return f"t{place + 1}c{number + 1}"


def _key(text: JudgedText) -> dict[str, Any]:
    composition = text.composition
    digest = hashlib.sha256(composition.text.encode("utf-8", "backslashreplace")).hexdigest()[:16]
    return {
        "combination_id": composition.combination.id,
        "generation": composition.generation,
        "text_sha256": digest,
    }


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _sampled(key: Path, texts: Sequence[JudgedText]) -> list[JudgedText]:
    by_key = {tuple(_key(text).values()): text for text in texts}
    try:
        rows = json.loads(key.read_text(encoding="utf-8"))["texts"]
        wanted = [(row["combination_id"], row["generation"], row["text_sha256"]) for row in rows]
    except OSError as error:
        raise InputError(f"--key {key}: cannot be read ({error.strerror}); it was written with the sheet") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"--key {key}: is not the key of a sheet, {KEY}") from None
    if lost := sum(each not in by_key for each in wanted):
        raise InputError(
            f"--key {key}: {lost} of {len(wanted)} texts are not in this run; name the run it was drawn from"
        )
    return [by_key[each] for each in wanted]


def _points(sheet: Path, known: Collection[str]) -> dict[str, int]:
    """Row to its point; rows left empty are left out."""
    try:
        with sheet.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            # Spreadsheets write semicolons where the comma is the decimal sign.
            reader = csv.DictReader(file, delimiter=";" if head.count(";") > head.count(",") else ",")
            missing = [name for name in ("row", "point") if name not in (reader.fieldnames or ())]
            raise_all(f"--read {sheet}", [f'there is no column "{name}"' for name in missing])
            rows = [(reader.line_num, (row["row"] or "").strip(), (row["point"] or "").strip()) for row in reader]
    except OSError as error:
        raise InputError(f"--read {sheet}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"--read {sheet}: is no CSV file in UTF-8 ({error}); save it as one") from None
    points: dict[str, int] = {}
    problems: list[str] = []
    for line, row, point in rows:
        if not point:
            continue
        if row not in known:
            problems.append(f'line {line}: no row of the sheet is called "{row}"')
        elif row in points:
            problems.append(f"line {line}: row {row} stands twice")
        elif point not in ("0", "1"):
            problems.append(f'line {line}: the point of row {row} is "{point}", and must be 0 or 1')
        else:
            points[row] = int(point)
    if len(problems) > _SHOWN_PROBLEMS:
        problems[_SHOWN_PROBLEMS:] = [f"and {len(problems) - _SHOWN_PROBLEMS} more"]
    raise_all(f"--read {sheet}", problems)
    return points
