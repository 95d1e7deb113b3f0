"""Published results of the reference implementation of SKILL-MIX as a run.

Every text and every grader's reply is kept as it was, so that replies can be parsed again and scored by either
protocol. What is missing or does not fit together is said, never filled in.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skillmix_lightning.catalogue import Catalogue, Combination
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.checks import check_text
from skillmix_lightning.graders.parse import parse_reply
from skillmix_lightning.graders.rubric import LENGTH, Rubric
from skillmix_lightning.runs.reference_folder import Generation, Grading, TextRow, read_results
from skillmix_lightning.runs.run import Run
from skillmix_lightning.students.base import Composition

#: Stands for the catalogue's id where none is given.
UNKNOWN_CATALOGUE = "reference"

_SHOWN_ROWS = 8


@dataclass(frozen=True)
class ImportReport:
    """What an import found.

    Attributes:
        run: the run's folder.
        student: whose texts.
        grader: whose grades.
        ks: which k.
        combinations: how many.
        texts: how many.
        grades: how many of each status.
        findings: what is missing, does not fit together or is remarkable, each in one sentence.
    """

    run: str
    student: str
    grader: str
    ks: tuple[int, ...]
    combinations: int
    texts: int
    grades: dict[str, int]
    findings: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report for people."""
        ks = ", ".join(map(str, self.ks))
        grades = ", ".join(f"{count} {status}" for status, count in self.grades.items()) or "none"
        return [
            f"{self.run}: {self.student} graded by {self.grader}, k = {ks}: "
            f"{self.combinations} combinations, {self.texts} texts, grades: {grades}",
            *self.findings,
        ]


def import_reference(
    root: Path,
    student: str,
    grader: str,
    out: Path,
    catalogue: Catalogue | None = None,
    generation_prompt: str | None = None,
    grading_prompt: str | None = None,
) -> ImportReport:
    """Turns a student's texts and a grader's replies, of all k, seeds and rounds, into a run.

    Round n becomes generation, or grading, n - 1. The results know no split: it is "all". Two rounds have the same
    combination in a row if they have the same skills and topic there; else each has its own.

    Args:
        root: the results folder, with subfolders such as k3_s10_vdefault_r1.
        student: the name of its folder.
        grader: as in the names of the grading folders.
        out: the run to make.
        catalogue: where skills and topics are from; combinations then have its id in theirs.
        generation_prompt: needed where one k was generated with several prompts.
        grading_prompt: needed where one k was graded with several prompts.

    Raises:
        InputError: the run is there already, the folder does not hold these results (what it holds is named), a file
            is malformed, or the catalogue lacks a skill or topic.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already; name a folder that is not")
    generations = read_results(root, student, grader, generation_prompt, grading_prompt)
    if catalogue is not None:
        _check_known(generations, catalogue)
    catalogue_id = UNKNOWN_CATALOGUE if catalogue is None else catalogue.id

    compositions: list[Composition] = []
    grades: list[Grade] = []
    for generation in generations:
        texts = [_composition(generation, row, n, student, catalogue_id) for n, row in enumerate(generation.rows)]
        compositions += texts
        grades += [grade for grading in generation.gradings for grade in _grades(texts, generation, grading, grader)]

    report = ImportReport(
        run=str(out),
        student=student,
        grader=grader,
        ks=tuple(sorted({generation.k for generation in generations})),
        combinations=len({text.combination.id for text in compositions}),
        texts=len(compositions),
        grades=dict(sorted(Counter(grade.status for grade in grades).items())),
        findings=tuple(_findings(generations, grades)),
    )
    run = Run.start(out, _manifest(root, generations, catalogue_id, report))
    run.add_compositions(compositions)
    run.add_grades(grades)
    return report


def _composition(generation: Generation, row: TextRow, number: int, student: str, catalogue_id: str) -> Composition:
    # The draw index tells seeds and rows apart: nothing keeps a row of one seed from being drawn again in another.
    key = "\x1f".join([catalogue_id, *sorted(row.skills), row.topic, f"{generation.seed}/{number}"])
    combination = Combination(hashlib.sha256(key.encode()).hexdigest()[:16], "all", row.skills, row.topic)
    return Composition(
        combination=combination,
        generation=generation.round - 1,
        turns=row.turns,
        text=row.text,
        finish_reason="stop",  # not on record
        student=student,
    )


def _grades(texts: Sequence[Composition], generation: Generation, grading: Grading, grader: str) -> Iterator[Grade]:
    for text, of, row in zip(texts, generation.rows, grading.rows, strict=False):  # a file may hold fewer rows
        if row.asked_for != of.asked_for:
            continue
        reply = row.turns[-1]["content"]
        parsed = parse_reply(reply, Rubric.of(text.combination), text=text.text)
        points, opinion = dict(parsed.points), {}
        if parsed.status == "ok":
            opinion[LENGTH] = points[LENGTH]
            points[LENGTH] = check_text(text.text, text.combination).length
        if parsed.total is not None:
            opinion["total"] = parsed.total
        yield Grade(
            combination_id=text.combination.id,
            generation=text.generation,
            grading=grading.round - 1,
            grader=grader,
            status=parsed.status,
            points=points,
            raw=reply,
            reason=parsed.reason,
            opinion=opinion,
        )


def _check_known(generations: Iterable[Generation], catalogue: Catalogue) -> None:
    rows = [row for generation in generations for row in generation.rows]
    skills = {name for row in rows for name in row.skills} - {skill.name for skill in catalogue.skills}
    topics = {row.topic for row in rows} - {topic.name for topic in catalogue.topics}
    problems = [f'no skill "{name}"' for name in sorted(skills)] + [f'no topic "{name}"' for name in sorted(topics)]
    raise_all("the catalogue is not the one these results were made with", problems)


def _manifest(root: Path, generations: Sequence[Generation], catalogue_id: str, report: ImportReport) -> dict[str, Any]:
    files = [file for g in generations for file in (g.file, *(grading.file for grading in g.gradings))]
    found = {name: value for name, value in asdict(report).items() if name not in ("run", "student", "grader")}
    return {
        "imported_from": {
            "folder": str(root),
            "files": {
                file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
            },
        },
        "student": report.student,
        "grader": report.grader,
        "catalogue_id": catalogue_id,
        "prompts": {
            "generation": sorted({generation.prompt for generation in generations}),
            "grading": sorted({grading.prompt for generation in generations for grading in generation.gradings}),
        },
        "found": found,
    }


def _findings(generations: Sequence[Generation], grades: Sequence[Grade]) -> Iterator[str]:
    yield from _missing_rounds(generations)
    for generation in generations:
        yield from _ragged(generation)
    yield from _different_rows(generations)
    yield from _copies(grades)


def _missing_rounds(generations: Sequence[Generation]) -> Iterator[str]:
    last = max(generation.round for generation in generations)
    last_grading = max(grading.round for generation in generations for grading in generation.gradings)
    for k, seed in dict.fromkeys((generation.k, generation.seed) for generation in generations):
        there = [g.round for g in generations if (g.k, g.seed) == (k, seed)]
        if missing := _missing(there, last):
            yield f"k={k}, seed {seed}: no generation round {missing}"
    for generation in generations:
        if missing := _missing([grading.round for grading in generation.gradings], last_grading):
            yield f"{_place(generation)}: no grading round {missing}"


def _missing(there: Iterable[int], last: int) -> str:
    return ", ".join(map(str, sorted(set(range(1, last + 1)) - set(there))))


def _ragged(generation: Generation) -> Iterator[str]:
    texts = len(generation.rows)
    for grading in generation.gradings:
        rows = len(grading.rows)
        if rows < texts:
            yield f"{_place(generation)}, grading round {grading.round}: {rows} of {texts} texts have a grade"
        if rows > texts:
            yield f"{_place(generation)}, grading round {grading.round}: rows without a text, left out: {rows - texts}"
        pairs = zip(generation.rows, grading.rows, strict=False)
        other = [n for n, (text, grade) in enumerate(pairs, start=1) if text.asked_for != grade.asked_for]
        if other:
            yield (
                f"{_place(generation)}, grading round {grading.round}: {_rows(other)} of the grades "
                "for other skills or another topic than the texts', left out"
            )


def _different_rows(generations: Sequence[Generation]) -> Iterator[str]:
    first: dict[tuple[int, int], Generation] = {}
    for generation in generations:
        other = first.setdefault((generation.k, generation.seed), generation)
        pairs = zip(generation.rows, other.rows, strict=False)
        rows = [n for n, (row, before) in enumerate(pairs, start=1) if row.asked_for != before.asked_for]
        if rows:
            yield (
                f"{_place(generation)}: {_rows(rows)} for other skills or another topic than in round {other.round}, "
                "so combinations of their own"
            )
        if len(generation.rows) != len(other.rows):
            yield f"{_place(generation)}: texts: {len(generation.rows)}, in round {other.round}: {len(other.rows)}"


def _copies(grades: Sequence[Grade]) -> Iterator[str]:
    replies: dict[tuple[str, int], list[str]] = {}
    for grade in grades:
        replies.setdefault((grade.combination_id, grade.generation), []).append(grade.raw)
    for rounds, texts in sorted(Counter(map(len, replies.values())).items()):
        same = sum(len(several) == rounds and len(set(several)) == 1 for several in replies.values())
        if rounds > 1 and same:
            yield f"the {rounds} grading rounds are identical copies in {same} of {texts} texts"


def _place(generation: Generation) -> str:
    return f"k={generation.k}, seed {generation.seed}, generation round {generation.round}"


def _rows(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN_ROWS]))
    more = f" and {len(numbers) - _SHOWN_ROWS} more" if len(numbers) > _SHOWN_ROWS else ""
    return f"row{'s' if len(numbers) > 1 else ''} {shown}{more}"
