"""`drift RUN`: a frozen set of graded texts, graded again by the same grader, and whether it grades as it did.

A model behind a name can change without notice, and scores from before and after cannot be compared. So a run of some
hundred graded texts is kept as it is, and checked before an evaluation, or every night.
"""

import json as jsonlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.errors import Found, InputError, raise_all
from skillmix_lightning.prompts import load_prompts
from skillmix_lightning.report.drift import drift_table, drift_verdict
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.resume import Resume
from skillmix_lightning.scoring.comparable import Rules, RunRecords
from skillmix_lightning.scoring.drift import drift as drift_of
from skillmix_lightning.students.base import Request
from skillmix_lightning.verbs.grade import of_the_same_texts
from skillmix_lightning.verbs.parser import parse
from skillmix_lightning.verbs.parts import MAY_CHANGE, Part, find_class
from skillmix_lightning.verbs.working import Money, work

#: Settings that may differ from the frozen set's: how the work is done, and where the model is served.
_MAY_DIFFER = MAY_CHANGE | {"base_url"}


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    drift(**parse(verb, drift, args, {"run": "one"}, {"grader": None}))


def drift(
    run: str,
    grader: Part | None = None,
    out: str | None = None,
    level: float = 0.01,
    resume: Resume = "if-possible",
    budget_usd: float | None = None,
    budget_tokens: int | None = None,
    prices: str | None = None,
    allow_self_grading: bool = False,
    json: bool = False,
) -> None:
    """Has the texts of a frozen set graded again, by its grader with its settings, and compares the grades.

    New grades are asked for, never taken from the cache, and go into a run of their own; the frozen set stays as it is.
    Drift is an exit status of 1, with one line that names the criteria.

    Args:
        run: the frozen set: a run with grades. With several grading rounds the grader's own noise is known.
        grader: only to change how it is reached (its address, the key's variable, a limit, batches); by default as the
            frozen set's manifest says.
        out: the folder of the run to make; by default beside the other, with "drift" and the day (UTC) behind its name,
            so that every day has a check of its own and one that was stopped goes on.
        level: one false alarm in 1 / level checks is accepted.
        resume: as in evaluate.
        budget_usd: as in evaluate.
        budget_tokens: as in evaluate.
        prices: as in evaluate.
        allow_self_grading: as in evaluate.
        json: print one JSON document instead of a table.

    Raises:
        InputError: the run does not say how it was graded, prompts or catalogue are not what they were, a setting
            cannot work, or a server refuses.
        Stopped: work is left, and the same command goes on.
        Found: the grader does not grade as it did, or another model answers.
    """
    if not 0 < level < 1:
        raise InputError(f"--level {level}: must be above 0 and below 1")
    frozen = RunRecords.read(run)
    frozen.scored_texts(Rules(name_rule=False))  # refuses points that are not the rubric's
    source = Run(Path(run))
    judge = _same_grader(run, frozen.manifest, grader)
    folder = Path(out) if out is not None else source.folder.with_name(f"{source.folder.name}-drift-{_today()}")
    if folder.resolve() == source.folder.resolve():
        raise InputError(f"--out {out}: is the frozen set; give a folder of its own")
    graded = {(grade.combination_id, grade.generation) for grade in frozen.grades if grade.status != "error"}
    texts = [text for text in frozen.compositions if (text.combination.id, text.generation) in graded]
    requests = [Request(text.combination, text.generation, ()) for text in texts]
    manifest = of_the_same_texts(source, frozen.gradings)
    money = Money(budget_usd, budget_tokens, prices, "off", allow_self_grading)
    work(folder, manifest, requests, None, judge, frozen.gradings, resume, "errors", money, copied=texts, quiet=True)
    _show(frozen, RunRecords.read(str(folder)), level, json)


def _same_grader(run: str, manifest: Mapping[str, Any], given: Part | None) -> Part:
    """The grader of the frozen set.

    Raises:
        InputError: the run does not say how it was graded, or it cannot be graded in the same way.
    """
    said = manifest.get("grader")
    if not isinstance(said, Mapping):
        raise InputError(
            f"{run}: does not say with which settings it was graded, so it cannot be graded again in the same way; "
            f"have `grade {run} --grader CLASS …` make a run that does, and keep that"
        )
    kind = given.kind if given else find_class("grader", said["class"])
    old = said["settings"]
    problems = [] if kind.__name__ == said["class"] else [f"it is a {said['class']}, not a {kind.__name__}"]
    asked = {name: given.settings[name] for name in sorted(given.given)} if given else {}
    problems += [
        f"{name} is {old.get(name)}, not {value}"
        for name, value in asked.items()
        if name not in _MAY_DIFFER and value != old.get(name)
    ]
    settings = {**old, **manifest.get("may_change", {}).get("grader", {}), **asked}
    problems += _changed(manifest, settings)
    raise_all(f"the grader of {run}", problems)
    return Part(kind, settings, frozenset(settings))


def _changed(manifest: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """What the grader is asked with and is not any more what it was: that would look like drift."""
    problems = []
    prompts, was = settings.get("prompts"), (manifest.get("grader_prompts") or {}).get("sha256")
    if isinstance(prompts, str) and was and (found := load_prompts(prompts).sha256) != was:
        problems.append(f"its prompts {prompts} are not what they were ({was[:8]} → {found[:8]})")
    catalogue, known = settings.get("catalogue"), manifest.get("catalogue_id")
    if isinstance(catalogue, str) and known and (found := load_catalogue(catalogue).id) != known:
        problems.append(f"its catalogue {catalogue} is not what it was ({known} → {found})")
    return problems


def _show(frozen: RunRecords, now: RunRecords, level: float, json: bool) -> None:
    rows = drift_of(frozen, now)
    changed, verdict = drift_verdict(rows, level, frozen.answering, now.answering)
    if json:
        document = {
            "frozen": frozen.name,
            "run": now.name,
            "grader": now.grader,
            "level": level,
            "models": {"frozen": list(frozen.answering), "now": list(now.answering)},
            "criteria": [{**asdict(row), "drift": row.found(level)} for row in rows],
            "drift": changed,
            "verdict": verdict,
        }
        jsonlib.dump(document, sys.stdout, indent=2)
        print()
    else:
        console = Console()
        console.print(drift_table(rows, f"{now.grader} on {frozen.name}"))
        if not changed:
            console.print(f"{verdict}; new grades: {now.name}", soft_wrap=True, highlight=False, markup=False)
    if changed:
        raise Found(f"{now.grader} on {frozen.name}: {verdict}; new grades: {now.name}")


def _today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")
