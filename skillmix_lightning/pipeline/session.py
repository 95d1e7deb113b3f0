"""One stretch of work on an evaluation's run, from its records to its scores: what a verb does once it has its parts.

Whatever ends the work early (a budget that is reached, a server that is down, a full disk, Ctrl-C) ends it in order:
what came is on disk, and one line says what is left to do.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from skillmix_lightning.endpoint import Services
from skillmix_lightning.endpoint.budget import Budget, dollars
from skillmix_lightning.endpoint.cache import open_cache
from skillmix_lightning.endpoint.prices import Prices
from skillmix_lightning.errors import Stopped
from skillmix_lightning.graders.base import Grader
from skillmix_lightning.pipeline.evaluate import Progress, write_and_grade
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.in_flight import InFlight, forget_in_flight
from skillmix_lightning.runs.jsonl import WriteError
from skillmix_lightning.runs.resume import Regrade, missing_requests, missing_rounds
from skillmix_lightning.scoring import Score, write_scores
from skillmix_lightning.students.base import Request, Student

_LOG = logging.getLogger(__name__)
#: Who may cost something.
STAGES = ("student", "grader")
#: Where in a run's folder the batches of its student and its grader are on record.
BATCHES = "batches"
_AGAIN = "run the same command again to go on"


def share_services(
    parts: Iterable[object],
    run: Run,
    cache: str | None,
    prices: Prices,
    budget_usd: float | None = None,
    budget_tokens: int | None = None,
) -> Budget | None:
    """Gives the students and graders that are behind servers one cache and one budget, which knows what the run spent.

    Args:
        parts: the student and the grader.
        run: what its records already cost counts.
        cache: the path of the response cache, "off", or None for the default place.
        prices: of models.
        budget_usd: the cap in dollars.
        budget_tokens: the cap in tokens.

    Returns:
        The budget, None where nobody is behind a server.

    Raises:
        InputError: the cache cannot be used, a cap is none, or the budget cannot be kept with these models.
    """
    users: list[Any] = [part for part in parts if hasattr(part, "services")]
    if not users:
        return None
    usd, tokens = spent(run)
    budget = Budget(budget_usd, budget_tokens, prices, usd, tokens)
    note_ahead(run, budget, users)
    for user in users:
        budget.check(user.model, getattr(user, "max_new_tokens", getattr(user, "max_tokens", None)))
    services = Services(open_cache(cache), budget)
    for user in users:
        user.services = services
    return budget


def spent(run: Run, stages: Sequence[str] = STAGES) -> tuple[float, int]:
    """What a run has cost so far, in dollars and tokens.

    By its records, or, where that is more, by what was noted when its last command ended: calls whose replies were lost
    are in no record. If it was killed, by what its calls under way may have cost at most. Tokens of replies from the
    response cache count, though nothing was paid for them again.

    Args:
        run: its manifest is read.
        stages: of whom, "student" and "grader"; texts of a fit's own model, for one, cost nothing.
    """
    by_stage = costs(run)
    noted = run.manifest().get("spent", {})
    killed = InFlight.of(run)
    found = []
    for name in ("usd", "tokens"):
        amounts = [sum(by_stage[stage][name] for stage in stages), noted.get(name, 0)]
        if killed is not None:
            batches = sum(by_stage[stage][name] - before[name] for stage, before in killed.batches.items())
            amounts.append(getattr(killed, name) + batches)
        found.append(max(amounts))
    return found[0], found[1]


def note_ahead(run: Run, budget: Budget, users: Iterable[Any], stages: Sequence[str] = STAGES) -> None:
    """Has the run know at any time what its calls may have cost, and says so if its last command was killed.

    Args:
        run: locked by the caller.
        budget: opened with what the run has `spent`.
        users: the student, the grader or both, if they are behind servers.
        stages: as in `spent`.
    """
    by_stage = costs(run)
    if InFlight.of(run) is not None:
        usd, tokens = spent(run, stages)
        usd -= sum(by_stage[stage]["usd"] for stage in stages)
        tokens -= sum(by_stage[stage]["tokens"] for stage in stages)
        _LOG.warning(
            f"{run.folder}: the last command did not end in order; up to {dollars(usd)} and {tokens:,} tokens of calls "
            "that are in no record may have been billed, and count as spent"
        )
    batches = {}
    for user in users:
        stage = "grader" if hasattr(user, "grade") else "student"
        if getattr(user, "batch", False) or (run.folder / BATCHES / stage).exists():
            batches[stage] = by_stage[stage]
    budget.note_ahead(lambda usd, tokens: InFlight(usd, tokens, batches).write(run))


def costs(run: Run) -> dict[str, dict[str, Any]]:
    """The dollars and tokens on record, of the student and of the grader."""
    compositions, grades = run.compositions(), run.grades()
    return {
        "student": {
            "usd": sum(c.usage.get("cost_usd", 0.0) for c in compositions),
            "tokens": sum(_tokens(c.usage) for c in compositions),
        },
        "grader": {"usd": sum(g.cost_usd for g in grades), "tokens": sum(_tokens(g.usage) for g in grades)},
    }


def work_through(
    run: Run,
    requests: Sequence[Request],
    student: Student | None,
    grader: Grader,
    gradings: int,
    budget: Budget | None = None,
    progress: Progress = lambda n: None,
    regrade: Regrade = "errors",
) -> list[Score]:
    """Writes and grades what is missing in a run, then scores it.

    Args:
        run: locked by the caller.
        requests: all that are asked for.
        student: who writes; None where nothing is left to write.
        grader: who grades.
        gradings: rounds per text.
        budget: what the parts spend from.
        progress: called as texts are written and grades given.
        regrade: which rounds on record are asked for again.

    Raises:
        Stopped: work is left, and the same command goes on; the line says how much and why.
        InputError: a server refuses a setting, or a record is malformed.
    """
    with stopping_in_order(run, requests, grader.name, gradings):
        try:
            write_and_grade(run, requests, student, grader, gradings, progress, regrade)
        except WriteError:
            raise  # a manifest could not be written either
        except BaseException:
            note_ends(run, budget)
            raise
        note_ends(run, budget)
        scores = write_scores(run)
    unreached = missing_rounds(run.compositions(), run.grades(), grader.name, gradings)
    if unreached:
        reason = next((g.reason for g in reversed(run.grades()) if g.status == "error"), "the grader gave none")
        raise Stopped(
            f"{len(unreached):,} of {len(requests) * gradings:,} grades are missing, the scores are of the others "
            f"({reason}); {_AGAIN}"
        )
    return scores


@contextmanager
def stopping_in_order(run: Run, requests: Sequence[Request], grader: str, gradings: int) -> Iterator[None]:
    """Turns what ends work on a run early, though nothing is wrong with it, into one line that says what is left."""
    try:
        yield
    except WriteError as error:
        raise Stopped(
            f"{error.filename} cannot be written ({error.strerror}); nothing on record is lost, "
            f"{left_to_do(run, requests, grader, gradings)}; make room or give the permission back, then {_AGAIN}"
        ) from None
    except KeyboardInterrupt:
        raise Stopped(f"interrupted: {left_to_do(run, requests, grader, gradings)}; {_AGAIN}") from None
    except Stopped as error:
        raise Stopped(f"{error}; {left_to_do(run, requests, grader, gradings)}") from error


def left_to_do(run: Run, requests: Sequence[Request], grader: str, gradings: int) -> str:
    """What a run lacks, in words: "left to do: 12 of 40 texts, 130 of 240 grades"."""
    compositions = run.compositions()
    texts = len(missing_requests(requests, compositions))
    rounds = len(missing_rounds(compositions, run.grades(), grader, gradings)) + texts * gradings
    return f"left to do: {texts:,} of {len(requests):,} texts, {rounds:,} of {len(requests) * gradings:,} grades"


def note_ends(run: Run, budget: Budget | None) -> None:
    """Notes in the manifest which models answered, and what was spent at which prices."""
    manifest = run.manifest()
    answered = {
        "student": {c.usage.get("model") for c in run.compositions()},
        "grader": {g.usage.get("model") for g in run.grades()},
    }
    models: dict[str, dict[str, Any]] = {}
    for part, names in answered.items():
        requested, returned = _asked_model(manifest.get(part)), sorted(name for name in names if name)
        if requested or returned:
            models[part] = {"requested": requested, "returned": returned}
    notes: dict[str, Any] = {"models": models}
    if budget is not None:
        named = {name for each in models.values() for name in (each["requested"], *each["returned"]) if name}
        prices = {name: budget.prices.of(name) for name in sorted(named)}
        notes["prices"] = {name: asdict(price) for name, price in prices.items() if price is not None}
        notes["spent"] = {"usd": budget.spent_usd, "tokens": budget.spent_tokens}
    run.note(**notes)
    if budget is not None and not budget.is_spending:
        forget_in_flight(run)
        budget.forget_note()


def _asked_model(part: Any) -> str | None:
    settings = part.get("settings", {}) if isinstance(part, Mapping) else {}
    model = settings.get("model")
    return model if isinstance(model, str) else None


def _tokens(usage: Mapping[str, Any]) -> int:
    return int(usage.get("prompt_tokens", 0)) + int(usage.get("completion_tokens", 0))
