"""Makes D_SKILL-MIX(k): compositions are written and graded, and those with full marks are kept.

The paper's rule (arXiv 2409.19808, section 3.1): all skills on training topics for k = 1, so that held-out skills are
seen singly; training skills on training topics for k >= 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skillmix_lightning.catalogue import Catalogue, Combination, draw_combinations
from skillmix_lightning.graders.base import Grade, Grader
from skillmix_lightning.pipeline.evaluate import Progress, grade_missing, write_missing
from skillmix_lightning.pipeline.plan import requests_for
from skillmix_lightning.prompts import PromptSet
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.jsonl import append_rows
from skillmix_lightning.scoring.metrics import score_text, vote
from skillmix_lightning.students.base import Composition, Student


@dataclass(frozen=True)
class Yield:
    """What became of the texts of one k.

    Attributes:
        k: skills per text.
        written: texts.
        kept: different texts with full marks.
        duplicates: texts that were written before, kept or not.
    """

    k: int
    written: int
    kept: int
    duplicates: int

    @property
    def share(self) -> float:
        """Kept texts per text written."""
        return self.kept / self.written

    @property
    def distinct(self) -> float:
        """Distinct texts per text written."""
        return 1 - self.duplicates / self.written


def draw_training(catalogue: Catalogue, attempts: Mapping[int, int], seed: int = 0) -> list[Combination]:
    """The combinations of a training set: `attempts[k]` of each k, by the paper's rule.

    Raises:
        InputError: the catalogue has too few.
    """
    return [
        combination
        for k, count in attempts.items()
        for combination in draw_combinations(catalogue, "all" if k == 1 else "train", k, count, seed, topics="train")
    ]


def synthesize(
    run: Run,
    catalogue: Catalogue,
    prompts: PromptSet,
    combinations: Sequence[Combination],
    student: Student,
    grader: Grader,
    data_file: Path,
    gradings: int = 1,
    progress: Progress = lambda n: None,
) -> list[Yield]:
    """Writes and grades a text for each combination and keeps those with full marks in a data set.

    Args:
        run: where every text and grade is recorded, kept or not; goes on where it stopped.
        catalogue: the skills and topics.
        prompts: the wording.
        combinations: what to write.
        student: who writes.
        grader: who grades.
        data_file: the data set, JSONL; must not exist.
        gradings: grading rounds per text.
        progress: called with the number of texts written or graded.

    Returns:
        The yield of each k.
    """
    write_missing(run, requests_for(catalogue, prompts, combinations), student, progress)
    grade_missing(run, grader, gradings, progress)
    unfinished = data_file.with_name(f".{data_file.name}.part")
    unfinished.write_bytes(b"")  # a data set without a text is still a file
    rows, yields = _keep_full_marks(run)
    append_rows(unfinished, list(rows))
    unfinished.replace(data_file)
    return yields


def _keep_full_marks(run: Run) -> tuple[list[dict[str, Any]], list[Yield]]:
    grades: dict[tuple[str, int], list[Grade]] = {}
    for grade in run.grades():
        grades.setdefault((grade.combination_id, grade.generation), []).append(grade)
    rows = []
    seen: set[str] = set()
    kept_texts: set[str] = set()
    counts: dict[int, list[int]] = {}
    provenance = {"catalogue_id": run.manifest()["catalogue_id"], "prompts": run.manifest()["prompts"]["id"]}
    for composition in run.compositions():
        combination = composition.combination
        rounds = grades.get((combination.id, composition.generation), [])
        points = vote(rounds)
        full_marks = points is not None and score_text(combination.skills, points).full_marks == 1
        kept = full_marks and composition.text not in kept_texts
        duplicate = composition.text in seen
        seen.add(composition.text)
        count = counts.setdefault(combination.k, [0, 0, 0])
        count[0] += 1
        count[1] += kept
        count[2] += duplicate
        if kept:
            kept_texts.add(composition.text)
            rows.append(dataset_row(composition, rounds, provenance))
    return rows, [Yield(k, *count) for k, count in sorted(counts.items())]


def dataset_row(composition: Composition, grades: Sequence[Grade], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A kept composition as a line of a data set: Hugging Face chat format plus what it is and where it is from."""
    combination = composition.combination
    return {
        "id": f"{combination.id}-{composition.generation}",
        "k": combination.k,
        "split": combination.split,
        "skills": list(combination.skills),
        "topic": combination.topic,
        "text": composition.text,
        "messages": list(composition.turns),
        "grades": [{"grader": grade.grader, "grading": grade.grading, "points": grade.points} for grade in grades],
        "provenance": {**provenance, "student": composition.student},
    }


def distinct_ratio(yields: Sequence[Yield]) -> float:
    """Distinct texts per text written, over all k."""
    return 1 - sum(row.duplicates for row in yields) / sum(row.written for row in yields)
