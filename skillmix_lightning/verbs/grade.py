"""`grade RUN`: the texts of a run, graded by another grader, in a run of their own.

A run has one grader, so that its scores mean one thing; the texts are copied, and the two runs can be compared.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.resume import Regrade, Resume
from skillmix_lightning.students.base import Request
from skillmix_lightning.verbs.evaluate import with_catalogue
from skillmix_lightning.verbs.parser import parse
from skillmix_lightning.verbs.parts import Part
from skillmix_lightning.verbs.working import Money, work

#: What a run says of its texts, and a run with the same texts says too.
_OF_THE_TEXTS = ("plan", "catalogue_id", "prompts", "student", "exclude_data_sha256", "contamination")


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    grade(**parse(verb, grade, args, {"run": "one"}, {"grader": None}))


def grade(
    run: str,
    grader: Part | None = None,
    out: str | None = None,
    gradings: int | None = None,
    resume: Resume = "if-possible",
    regrade: Regrade = "errors",
    budget_usd: float | None = None,
    budget_tokens: int | None = None,
    prices: str | None = None,
    cache: str | None = None,
    allow_self_grading: bool = False,
    json: bool = False,
) -> None:
    """Has another grader grade a run's texts, in a run of its own, and prints the scores; goes on where it stopped.

    Args:
        run: the folder whose texts are graded; nothing in it changes.
        grader: who grades.
        out: the folder of the run to make; by default beside the other, with the grader's name behind it.
        gradings: grading rounds per text; by default as many as the run planned.
        resume: as in evaluate.
        regrade: as in evaluate.
        budget_usd: as in evaluate.
        budget_tokens: as in evaluate.
        prices: as in evaluate.
        cache: as in evaluate.
        allow_self_grading: as in evaluate.
        json: print one JSON document instead of tables.

    Raises:
        InputError: a setting cannot work, a folder holds no run or another's, or a server refuses.
        Stopped: work is left, and the same command goes on.
    """
    if grader is None:
        raise InputError("who is to grade? give --grader EndpointGrader --grader.model NAME, or --grader CheckerGrader")
    source = Run(Path(run))
    old = source.manifest()
    compositions = source.compositions()
    if not compositions:
        raise InputError(f"{run}: holds no text to grade")
    plan: dict[str, Any] = old.get("plan") or {}
    if isinstance(catalogue := plan.get("catalogue"), str):
        grader = with_catalogue(grader, catalogue)
    gradings = gradings or plan.get("gradings") or 1
    manifest = of_the_same_texts(source, gradings)
    requests = [Request(c.combination, c.generation, ()) for c in compositions]
    folder = Path(out) if out is not None else _beside(source.folder, grader)
    if folder.resolve() == source.folder.resolve():
        raise InputError(f"--out {out}: is the run whose texts are graded; give a folder of its own")
    money = Money(budget_usd, budget_tokens, prices, cache, allow_self_grading)
    work(folder, manifest, requests, None, grader, gradings, resume, regrade, money, json=json, copied=compositions)


def of_the_same_texts(source: Run, gradings: int) -> dict[str, Any]:
    """What the manifest of a run with the texts of another says of them, but for who grades.

    Args:
        source: the other run.
        gradings: grading rounds per text.
    """
    old = source.manifest()
    manifest = {name: old[name] for name in _OF_THE_TEXTS if name in old}
    if plan := old.get("plan"):
        manifest["plan"] = {**plan, "gradings": gradings}
    manifest["graded_from"] = {
        "run": source.folder.name,
        "compositions_sha256": hashlib.sha256(source.compositions_file.read_bytes()).hexdigest(),
    }
    return manifest


def _beside(folder: Path, grader: Part) -> Path:
    name = grader.settings.get("name") or grader.settings.get("model") or grader.kind.__name__
    return folder.with_name(f"{folder.name}-by-{re.sub(r'[^A-Za-z0-9.]+', '-', str(name)).strip('-.')}")
