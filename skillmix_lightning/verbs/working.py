"""What `evaluate` and `grade` share: a locked run, parts with one budget, a progress bar, and the scores at the end."""

import json as jsonlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from skillmix_lightning.catalogue import ContaminationRow
from skillmix_lightning.endpoint.batches import BatchProgress
from skillmix_lightning.endpoint.budget import Budget, dollars, projected
from skillmix_lightning.endpoint.prices import load_prices
from skillmix_lightning.endpoint.self_grading import refuse_self_grading
from skillmix_lightning.pipeline.session import costs, share_services, stopping_in_order, work_through
from skillmix_lightning.prompts import load_prompts
from skillmix_lightning.report.contamination import contamination_table
from skillmix_lightning.report.terminal import score_table
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.lock import writing
from skillmix_lightning.runs.resume import Regrade, Resume, missing_requests
from skillmix_lightning.scoring import scores_document
from skillmix_lightning.students.base import Composition, Request
from skillmix_lightning.verbs.batches import keep_batches, refuse_old_replies, sends_batches, write_first
from skillmix_lightning.verbs.parts import Part


class Money(NamedTuple):
    """What may be spent, and how much of it is saved: options of the same names."""

    budget_usd: float | None = None
    budget_tokens: int | None = None
    prices: str | None = None
    cache: str | None = None
    allow_self_grading: bool = False


def work(
    out: Path,
    manifest: Mapping[str, Any],
    requests: Sequence[Request],
    student: Part | None,
    grader: Part,
    gradings: int,
    resume: Resume,
    regrade: Regrade,
    money: Money,
    contaminated: Sequence[ContaminationRow] = (),
    json: bool = False,
    copied: Sequence[Composition] = (),
    quiet: bool = False,
) -> None:
    """Does what is missing in a run and prints its scores.

    Args:
        out: the run's folder.
        manifest: what is asked; the student and the grader are added.
        requests: all texts.
        student: who writes; None if all texts are copied.
        grader: who grades.
        gradings: rounds per text.
        resume: whether the run may be there.
        regrade: which rounds on record are asked for again.
        money: the budget.
        contaminated: shown before the scores.
        json: print one JSON document instead of tables.
        copied: texts that another run has.
        quiet: print nothing.

    Raises:
        InputError: a setting cannot work, the run is another's, or a server refuses.
        Stopped: work is left, and the same command goes on.
    """
    prices = load_prices(money.prices)
    if student is not None:
        manifest = {**manifest, "student": student.manifest()}
    writes = manifest.get("student")  # of copied texts their own run says who wrote them, imported ones by name only
    settings = writes["settings"] if isinstance(writes, Mapping) else {}
    refuse_self_grading(SimpleNamespace(**settings), SimpleNamespace(**grader.settings), money.allow_self_grading)
    manifest = {**manifest, "grader": grader.manifest()}
    if isinstance(named := grader.settings.get("prompts"), str):
        wording = load_prompts(named)
        manifest = {**manifest, "grader_prompts": {"id": wording.id, "sha256": wording.sha256}}
    judge = grader.make()
    refuse_old_replies(judge, regrade)
    # Whoever is behind a server is made, and its settings checked, before they go into the manifest; local weights are
    # loaded only once the run is known to need them.
    writer = student.make() if student is not None and "base_url" in student.settings else None
    with writing(out):
        run = Run.start(out, manifest, resume)
        with stopping_in_order(run, requests, judge.name, gradings):
            run.note(may_change={**changeable(student, grader), **money._asdict()})
            run.add_compositions(_without(copied, run.compositions()))
        if writer is None and student is not None and missing_requests(requests, run.compositions()):
            writer = student.make()
        # Cached replies to rounds that are asked for again would be the same that gave no points.
        cache = "off" if regrade == "unscored" else money.cache
        budget = share_services((writer, judge), run, cache, prices, money.budget_usd, money.budget_tokens)
        total = len(requests) * (1 + gradings)
        with working_bar(out.name, total, budget) as (progress, show):
            with stopping_in_order(run, requests, judge.name, gradings):
                keep_batches({"student": writer, "grader": judge}, out, show)
                if sends_batches(judge):
                    progress = write_first(run, requests, writer, judge, gradings, budget, progress, regrade)
            scores = work_through(run, requests, writer, judge, gradings, budget, progress, regrade)
    if quiet:
        return
    if json:
        document = {"run": str(out), **scores_document(scores, "max", "paper", True), "spent": costs(run)}
        jsonlib.dump(document, sys.stdout, indent=2)
        print()
        return
    console = Console()
    if contaminated:
        console.print(contamination_table(contaminated))
    console.print(score_table(scores, str(out)))
    if budget is not None:
        console.print(f"spent: {dollars(budget.spent_usd)}, {budget.spent_tokens:,} tokens")


def changeable(student: Part | None, grader: Part) -> dict[str, Any]:
    """The settings of both that a resumed run may differ in."""
    parts = {"student": student, "grader": grader}
    return {name: found for name, part in parts.items() if part is not None and (found := part.may_change())}


def _without(compositions: Sequence[Composition], on_record: Sequence[Composition]) -> list[Composition]:
    done = {(c.combination.id, c.generation) for c in on_record}
    return [c for c in compositions if (c.combination.id, c.generation) not in done]


@contextmanager
def working_bar(
    label: str, total: int, budget: Budget | None
) -> Iterator[tuple[Callable[[int], object], Callable[[BatchProgress], None]]]:
    """A bar on standard error, with what is spent and what it will be.

    Yields:
        The function that advances it, and the one that shows how far batches are.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[money]}"),
        TextColumn("{task.fields[batches]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    before = budget.spent_usd if budget else 0.0
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total, money="", batches="")
        on_record: float | None = None

        def advance(count: int) -> None:
            nonlocal on_record
            on_record = count if on_record is None else on_record  # the first call says what was there already
            bar.update(task, advance=count)
            done = bar.tasks[0].completed - on_record
            if budget and (will_be := projected(budget.spent_usd, int(done), total - int(on_record), before)):
                bar.update(task, money=f"{dollars(budget.spent_usd)} of about {dollars(will_be)}")

        def show(batches: BatchProgress) -> None:
            said = f"batches under way: {batches.batches:,}" if batches.batches else ""
            if said and batches.requests:
                said += f", {batches.done + batches.answered:,} of {batches.requests:,} answered"
            bar.update(task, batches=said)

        yield advance, show
