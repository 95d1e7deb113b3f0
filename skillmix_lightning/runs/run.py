"""A run: the folder with everything one synthesis or evaluation did.

`manifest.json` says what was asked and with what; `compositions.jsonl` and `grades.jsonl` are append-only and are the
record; `scores.json` is derived from them and can be rebuilt at any time.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.runs.jsonl import WriteError, append_rows, parse_row, read_rows, sync_folder
from skillmix_lightning.runs.resume import Resume, check_resume, differences
from skillmix_lightning.students.base import Composition

_VERSIONED = ("skillmix-lightning", "torch", "lightning", "transformers")
#: What a manifest says beside what was asked: versions, and what `Run.note` adds. A resumed run may differ in it.
NOTES = ("made_with", "may_change", "models", "prices", "spent")
_COMPOSITION_FIELDS = {
    "combination_id": str,
    "split": str,
    "skills": list,
    "topic": str,
    "generation": int,
    "turns": list,
    "text": str,
    "finish_reason": str,
    "student": str,
    "usage": dict,
}
_GRADE_FIELDS = {
    "combination_id": str,
    "generation": int,
    "grading": int,
    "grader": str,
    "status": str,
    "points": dict,
    "raw": str,
    "usage": dict,
    "cost_usd": float,
}
#: Records of graders that have nothing to say on these may lack them.
_OPTIONAL_GRADE_FIELDS = {"reason": str, "opinion": dict}


@dataclass(frozen=True)
class Run:
    """A run's folder. Make one with `Run.start`, or name an existing one."""

    folder: Path

    @classmethod
    def start(cls, folder: Path, manifest: Mapping[str, Any], resume: Resume = "if-possible") -> "Run":
        """Opens the folder for a run with this manifest; one that is there already is gone on with.

        Args:
            folder: of the run; made if it is not there.
            manifest: what is asked. A run that was asked for something else is refused.
            resume: whether a run may, or has to, be there already.

        Raises:
            InputError: the folder cannot be written, holds a run that was asked for something else (all differences are
                shown), or is not as `resume` says.
        """
        run = cls(folder)
        check_resume(folder, run.manifest_file.exists(), resume)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if run.manifest_file.exists():
                run._check_same(manifest)
            elif lost := [file.name for file in (run.compositions_file, run.grades_file) if file.exists()]:
                raise InputError(f"{folder}: holds {' and '.join(lost)} without a manifest; give a folder of its own")
            else:
                write_json(run.manifest_file, {**manifest, "made_with": made_with()})
        except OSError as error:
            raise InputError(f"{folder}: the run's folder cannot be written ({error.strerror})") from None
        return run

    @property
    def manifest_file(self) -> Path:
        """What was asked, and with what."""
        return self.folder / "manifest.json"

    @property
    def compositions_file(self) -> Path:
        """The texts, one a line."""
        return self.folder / "compositions.jsonl"

    @property
    def grades_file(self) -> Path:
        """The grades, one a line."""
        return self.folder / "grades.jsonl"

    @property
    def scores_file(self) -> Path:
        """The scores, as in the design's file formats."""
        return self.folder / "scores.json"

    def manifest(self) -> dict[str, Any]:
        """The manifest.

        Raises:
            InputError: there is none, or it is malformed.
        """
        try:
            return parse_row(self.manifest_file.read_bytes(), str(self.manifest_file))
        except OSError as error:
            raise InputError(f"{self.folder}: holds no run, {self.manifest_file.name}: {error.strerror}") from None

    def note(self, **notes: Any) -> None:
        """Writes down in the manifest what no resumed run is held to; a note of the same name is replaced.

        Raises:
            WriteError: the manifest cannot be written; the old one stays.
        """
        assert notes.keys() <= set(NOTES), "what is asked is written once"
        write_json(self.manifest_file, {**self.manifest(), **notes})

    def add_compositions(self, compositions: Sequence[Composition]) -> None:
        """Appends compositions; they are on disk when this returns.

        Raises:
            WriteError: they are not; what was there before is.
        """
        append_rows(self.compositions_file, [composition_row(c) for c in compositions])

    def add_grades(self, grades: Sequence[Grade]) -> None:
        """Appends grades; they are on disk when this returns.

        Raises:
            WriteError: they are not; what was there before is.
        """
        append_rows(self.grades_file, [vars(grade) for grade in grades])

    def compositions(self) -> list[Composition]:
        """All compositions.

        Raises:
            InputError: a line is malformed (file, line, field).
        """
        path = self.compositions_file
        return [composition_of_row(_checked(row, _COMPOSITION_FIELDS, path, number)) for number, row in read_rows(path)]

    def grades(self) -> list[Grade]:
        """All grades.

        Raises:
            InputError: a line is malformed (file, line, field).
        """
        path = self.grades_file
        return [
            grade_of_row(_checked(row, _GRADE_FIELDS, path, number, _OPTIONAL_GRADE_FIELDS))
            for number, row in read_rows(path)
        ]

    def _check_same(self, manifest: Mapping[str, Any]) -> None:
        old = {key: value for key, value in self.manifest().items() if key not in NOTES}
        if different := differences(old, manifest):
            raise InputError(
                f"{self.folder}: holds a run that was asked for something else ({'; '.join(different)}); "
                "ask for the same, or give a folder of its own"
            )


def composition_row(composition: Composition) -> dict[str, Any]:
    """A composition as a line of `compositions.jsonl`."""
    combination = composition.combination
    return {
        "combination_id": combination.id,
        "k": combination.k,
        "split": combination.split,
        "skills": list(combination.skills),
        "topic": combination.topic,
        "generation": composition.generation,
        "turns": list(composition.turns),
        "text": composition.text,
        "finish_reason": composition.finish_reason,
        "student": composition.student,
        "usage": composition.usage,
    }


def composition_of_row(row: Mapping[str, Any]) -> Composition:
    """The composition of a line."""
    return Composition(
        combination=Combination(row["combination_id"], row["split"], tuple(row["skills"]), row["topic"]),
        generation=row["generation"],
        turns=tuple(row["turns"]),
        text=row["text"],
        finish_reason=row["finish_reason"],
        student=row["student"],
        usage=row["usage"],
    )


def grade_of_row(row: Mapping[str, Any]) -> Grade:
    """The grade of a line."""
    return Grade(**{name: row[name] for name in Grade.__dataclass_fields__ if name in row})


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON document so that a reader, after a power cut too, sees the old file or the new one, never a part.

    Raises:
        WriteError: it cannot be written; the old file stays.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with unfinished.open("w", encoding="utf-8") as file:
                file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from error


def made_with() -> dict[str, Any]:
    """Versions and the git commit of the working folder, for a manifest."""
    return {"python": platform.python_version(), **_versions(_VERSIONED), "git_commit": _git_commit()}


def _versions(packages: Iterable[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def _git_commit() -> str | None:
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _checked(
    row: dict[str, Any],
    fields: Mapping[str, type],
    path: Path,
    number: int,
    optional: Mapping[str, type] | None = None,
) -> dict[str, Any]:
    problems = [f'the field "{name}" is missing' for name in fields if name not in row]
    problems += [
        f'the field "{name}" is a {type(row[name]).__name__}, not a {kind.__name__}'
        for name, kind in {**fields, **(optional or {})}.items()
        if name in row and not isinstance(row[name], (int, float) if kind is float else kind)
    ]
    if not problems:
        problems = [
            f'the points of "{criterion}" are {json.dumps(points)}, and must be a number from 0 to 1'
            for criterion, points in row.get("points", {}).items()
            if not isinstance(points, (int, float)) or not 0 <= points <= 1
        ]
    raise_all(f"{path}, line {number}", problems)
    return row
