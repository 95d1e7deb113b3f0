"""The files of a data set in its run's folder, all derived from the run's records: written whole or not at all."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skillmix_lightning.graders.base import Grade
from skillmix_lightning.pipeline.dataset_card import card
from skillmix_lightning.pipeline.dataset_select import Judged, text_id
from skillmix_lightning.pipeline.dataset_yield import SkillYield, Yield, yield_document
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.jsonl import WriteError, append_rows
from skillmix_lightning.runs.run import write_json
from skillmix_lightning.students.base import Composition

DATASET, REJECTS, YIELD, CARD = "dataset.jsonl", "rejects.jsonl", "yield.json", "README.md"


def write_dataset(run: Run, judged: Sequence[Judged], yields: Sequence[Yield], skills: Sequence[SkillYield]) -> None:
    """Writes the data set, the texts that are not in it, the yield and the card; the yield last.

    Raises:
        WriteError: a file cannot be written; the one that was there stays.
    """
    manifest = run.manifest()
    provenance = {"catalogue_id": manifest["catalogue_id"], "prompts": manifest["prompts"]["id"]}
    rows = [(each, dataset_row(each.composition, each.grades, provenance)) for each in judged]
    _write_rows(run.folder / DATASET, (row for each, row in rows if each.outcome == "kept"))
    _write_rows(
        run.folder / REJECTS,
        ({**row, "outcome": each.outcome, "reason": each.reason} for each, row in rows if each.outcome != "kept"),
    )
    _write_text(run.folder / CARD, card(manifest, yields))
    write_json(run.folder / YIELD, yield_document(yields, skills))


def dataset_row(composition: Composition, grades: Sequence[Grade], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A kept composition as a line of a data set: Hugging Face chat format plus what it is and where it is from.

    Points are a list, since an object with a key for each skill would be read as a column for each skill, and floats,
    since a column that begins with whole numbers takes no half ones.
    """
    combination = composition.combination
    return {
        "id": text_id(composition),
        "k": combination.k,
        "split": combination.split,
        "skills": list(combination.skills),
        "topic": combination.topic,
        "text": composition.text,
        "messages": list(composition.turns),
        "grades": [
            {
                "grader": grade.grader,
                "grading": grade.grading,
                "status": grade.status,
                "points": [{"criterion": name, "points": float(points)} for name, points in grade.points.items()],
            }
            for grade in grades
        ],
        "provenance": {**provenance, "student": composition.student},
    }


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    _write_text(unfinished, "")  # a data set without a text is still a file
    append_rows(unfinished, list(rows))
    _replace(unfinished, path)


def _write_text(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.text")
    try:
        unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from error
    _replace(unfinished, path)


def _replace(unfinished: Path, path: Path) -> None:
    try:
        unfinished.replace(path)
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from error
