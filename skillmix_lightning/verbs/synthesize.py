"""`synthesize`: a student writes, a grader grades, and texts with full marks become a data set: D_SKILL-MIX(k)."""

import json as jsonlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from skillmix_lightning.endpoint.budget import dollars
from skillmix_lightning.endpoint.prices import load_prices
from skillmix_lightning.endpoint.self_grading import refuse_self_grading
from skillmix_lightning.errors import Stopped
from skillmix_lightning.pipeline.dataset_files import DATASET
from skillmix_lightning.pipeline.dataset_yield import SkillYield, Yield
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.pipeline.session import costs, share_services, spent
from skillmix_lightning.pipeline.synthesis_plan import SynthesisPlan
from skillmix_lightning.pipeline.synthesize import Synthesis, synthesize
from skillmix_lightning.prompts import load_prompts
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.jsonl import WriteError
from skillmix_lightning.runs.lock import writing
from skillmix_lightning.runs.resume import Regrade, Resume
from skillmix_lightning.verbs.batches import keep_batches, refuse_old_replies
from skillmix_lightning.verbs.evaluate import grader_for
from skillmix_lightning.verbs.parser import parse
from skillmix_lightning.verbs.parts import Part
from skillmix_lightning.verbs.working import Money, changeable, working_bar

_WORST_SKILLS = 10


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    make_dataset(**parse(verb, make_dataset, args, {}, {"student": "TemplateStudent", "grader": None}))


def make_dataset(
    out: str,
    student: Part,
    grader: Part | None = None,
    catalogue: str = "verifiable",
    attempts: dict[int, int] | None = None,
    accepted: dict[int, int] | None = None,
    max_attempts: int | None = None,
    gradings: int = 1,
    name_rule: bool = True,
    near_duplicates: float | None = 0.8,
    seed: int = 0,
    prompts: str | None = None,
    common_skills: bool = True,
    shard: str | None = None,
    resume: Resume = "if-possible",
    regrade: Regrade = "errors",
    budget_usd: float | None = None,
    budget_tokens: int | None = None,
    prices: str | None = None,
    cache: str | None = None,
    allow_self_grading: bool = False,
    json: bool = False,
) -> None:
    """Has a student write, has a grader grade, and keeps texts with full marks as a data set; goes on where it stopped.

    Args:
        out: the run's folder: dataset.jsonl, its card README.md, rejects.jsonl, yield.json and the records.
        student: who writes; for the verifiable catalogue the template student if none is named.
        grader: who grades; for the verifiable catalogue the checker grader if none is named.
        catalogue: verifiable, language, or a path.
        attempts: k to the number of texts to write, such as {1: 5000, 2: 10000, 3: 10000}.
        accepted: k to the number of texts wanted in the data set, instead of attempts.
        max_attempts: the most texts written of each k for the accepted ones; by default ten for each. May be raised.
        gradings: grading rounds per text.
        name_rule: whether a text that names one of its skills loses that skill's point.
        near_duplicates: leave out a text whose word triples agree this much, 0 to 1, with those of one that is kept;
            null leaves out only texts of the same words.
        seed: of the draw, and of a student that has one unless it is given its own.
        prompts: brief-v1, paper-v1, hardened-v1, or a folder; by default brief-v1, for other catalogues than verifiable
            paper-v1. The grader's too if it has a grading turn and none is given with --grader.prompts.
        common_skills: also draw skills marked as common.
        shard: 2/8 for the second of eight parts, each in a folder of its own; `merge` joins them.
        resume: never (a run that is there is an error), always (it has to be there), if-possible.
        regrade: as in evaluate.
        budget_usd: dollars that are never passed, with what the run has spent before.
        budget_tokens: likewise, in tokens.
        prices: a YAML file with prices that the built-in ones lack.
        cache: the response cache's file; off for none.
        allow_self_grading: whether a model may grade its own texts, as in the paper.
        json: print one JSON document instead of tables.

    Raises:
        InputError: a setting cannot work, the run is another's, or a server refuses.
        Stopped: work is left, and the same command goes on.
    """
    plan = SynthesisPlan(
        catalogue=catalogue,
        attempts=attempts,
        accepted=accepted,
        gradings=gradings,
        name_rule=name_rule,
        seed=seed,
        prompts=prompts or ("brief-v1" if catalogue == "verifiable" else "paper-v1"),
        common_skills=common_skills,
        near_duplicates=near_duplicates,
        shard=shard,
    )
    grader = grader_for(Plan(catalogue=catalogue, prompts=plan.prompts), grader).filled(name_rule=name_rule)
    student = student.filled(catalogue=catalogue)
    if student.settings.get("seed") is not None:  # a served student sends one only if it is told to
        student = student.filled(seed=seed)
    money = Money(budget_usd, budget_tokens, prices, cache, allow_self_grading)
    folder = Path(out)
    made = _made(folder, plan, student, grader, max_attempts, resume, regrade, money)
    if json:
        document = {"run": out, "data": str(folder / DATASET), "kept": made.kept, "spent": costs(Run(folder))}
        jsonlib.dump({**document, "ks": [asdict(row) for row in made.yields]}, sys.stdout, indent=2)
        print()
        return
    show(folder, made, "raise --max_attempts and run the same command again for more")
    usd, tokens = spent(Run(folder))
    if tokens:
        Console().print(f"spent: {dollars(usd)}, {tokens:,} tokens")


def show(folder: Path, made: Synthesis, mend: str) -> None:
    """Prints what came of a synthesis.

    Args:
        folder: of the run.
        made: what came of it.
        mend: what to do where it is less than was wanted.
    """
    console = Console()
    console.print(yield_table(made.yields))
    if any(row.failed for row in made.skills):
        console.print(skill_table(made.skills))
    for row in made.yields:
        if row.wanted is not None and row.kept < row.wanted:
            console.print(f"k={row.k}: {row.kept:,} of {row.wanted:,} texts after {row.written:,} attempts; {mend}")
    console.print(f"{made.kept:,} texts in {folder / DATASET}", soft_wrap=True)


@contextmanager
def writable() -> Iterator[None]:
    """Ends the command with one line where the disk is full or the folder must not be written."""
    try:
        yield
    except WriteError as error:
        raise Stopped(
            f"{error.filename} cannot be written ({error.strerror}); nothing on record is lost; make room or give the "
            "permission back, then run the same command again to go on"
        ) from None


def yield_table(yields: Sequence[Yield]) -> Table:
    """What became of the texts of each k, at most 80 columns wide."""
    table = _table("Texts, and the shares of points that were not earned")
    for title in ("k", "written", "kept", "dupl.", "other", "share", "skill", "topic", "sense", "length"):
        table.add_column(title, justify="right")
    if costly := any(row.cost_usd for row in yields):
        table.add_column("per text", justify="right")
    for row in yields:
        duplicates = row.duplicates + row.near_duplicates
        counts = (row.written, row.kept, duplicates, row.written - row.kept - duplicates)
        rates = [_percent(row.failure_rates[name]) for name in ("skill", "topic", "sense", "length")]
        cost = [dollars(row.cost_usd / row.kept) if row.kept else "-"] if costly else []
        table.add_row(str(row.k), *(f"{count:,}" for count in counts), _percent(row.share), *rates, *cost)
    return table


def skill_table(skills: Sequence[SkillYield]) -> Table:
    """The skills that failed most often, over all k; yield.json has all of them, by k."""
    counts: dict[str, list[int]] = {}
    for row in skills:
        count = counts.setdefault(row.skill, [0, 0, 0])
        for place, value in enumerate((row.graded, row.failed, row.kept)):
            count[place] += value
    worst = sorted(
        (name for name, c in counts.items() if c[1]), key=lambda name: (-counts[name][1] / counts[name][0], name)
    )
    table = _table(f"Skills not shown most often ({min(len(worst), _WORST_SKILLS)} of {len(counts)})")
    for title in ("skill", "graded", "failed", "kept"):
        table.add_column(title, justify="left" if title == "skill" else "right")
    for name in worst[:_WORST_SKILLS]:
        graded, failed, kept = counts[name]
        table.add_row(name, f"{graded:,}", f"{failed:,} ({failed / graded:.0%})", f"{kept:,}")
    return table


def _made(
    out: Path,
    plan: SynthesisPlan,
    student: Part,
    grader: Part,
    max_attempts: int | None,
    resume: Resume,
    regrade: Regrade,
    money: Money,
) -> Synthesis:
    price_list = load_prices(money.prices)
    refuse_self_grading(
        SimpleNamespace(**student.settings), SimpleNamespace(**grader.settings), money.allow_self_grading
    )
    manifest: dict[str, Any] = {**plan.manifest(), "student": student.manifest(), "grader": grader.manifest()}
    if isinstance(named := grader.settings.get("prompts"), str):
        wording = load_prompts(named)
        manifest["grader_prompts"] = {"id": wording.id, "sha256": wording.sha256}
    judge = grader.make()
    refuse_old_replies(judge, regrade)
    # Whoever is behind a server is made, and its settings checked, before the folder is touched; weights load after.
    writer: Any = student.make() if "base_url" in student.settings else None
    with writing(out):
        run = Run.start(out, manifest, resume)
        with writable():
            run.note(may_change={**changeable(student, grader), **money._asdict(), "max_attempts": max_attempts})
        writer = student.make() if writer is None else writer
        # Cached replies to rounds that are asked for again would be the same that gave no points.
        cache = "off" if regrade == "unscored" else money.cache
        budget = share_services((writer, judge), run, cache, price_list, money.budget_usd, money.budget_tokens)
        texts = sum((plan.attempts or plan.targets() or {}).values())
        with working_bar(out.name, texts * (1 + plan.gradings), budget) as (progress, show_batches):
            keep_batches({"student": writer, "grader": judge}, out, show_batches)
            return synthesize(run, plan, writer, judge, max_attempts, budget, progress, regrade)


def _table(title: str) -> Table:
    return Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
