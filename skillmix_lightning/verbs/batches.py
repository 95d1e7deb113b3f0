"""What a run needs where its student or grader sends batches: a place to find them again, and the order of things.

Batches that an earlier command left under way are paid for, so they are collected, and are in the budget, before
anything else is sent. A grader's batch is one for all texts, so it waits until they are written.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path

from skillmix_lightning.endpoint.batches import BatchProgress, BatchUser
from skillmix_lightning.endpoint.budget import Budget
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.base import Grader
from skillmix_lightning.pipeline.evaluate import Progress, write_missing
from skillmix_lightning.pipeline.session import BATCHES, note_ends
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.jsonl import WriteError
from skillmix_lightning.runs.resume import Regrade, missing_requests, missing_rounds
from skillmix_lightning.students.base import Request, Student


def sends_batches(part: object) -> bool:
    """Whether a student or a grader sends its requests in batches."""
    return isinstance(part, BatchUser) and part.batch


def refuse_old_replies(grader: object, regrade: Regrade) -> None:
    """Refuses to ask for unscored rounds again where the batches on record would give the same replies.

    Raises:
        InputError: they would.
    """
    if regrade == "unscored" and sends_batches(grader):
        raise InputError(
            "--regrade unscored: the replies of a run's batches are kept, so the same ones would come; "
            "give --grader.batch false"
        )


def keep_batches(parts: Mapping[str, object], folder: Path, show: Callable[[BatchProgress], None]) -> None:
    """Gives those that send batches their folder in the run, and collects what earlier commands left under way.

    Args:
        parts: "student" and "grader". One that sends no batches any more may have some under way.
        folder: of the run.
        show: told how far batches are.

    Raises:
        InputError: the folder or a server cannot work.
        Unavailable: a server keeps failing.
    """
    for name, part in parts.items():
        batches = folder / BATCHES / name
        if isinstance(part, BatchUser) and (part.batch or batches.exists()):
            part.keep_batches_in(batches, show)


def write_first(
    run: Run,
    requests: Sequence[Request],
    student: Student | None,
    grader: Grader,
    gradings: int,
    budget: Budget | None,
    progress: Progress,
    regrade: Regrade,
) -> Progress:
    """Writes all texts that are missing, so that one batch can grade them.

    Returns:
        The progress for what follows: what is on record is told by this.

    Raises:
        Exception: what the student raises.
    """
    texts = run.compositions()
    unwritten = missing_requests(requests, texts)
    ungraded = missing_rounds(texts, run.grades(), grader.name, gradings, regrade)
    progress(len(requests) - len(unwritten) + len(texts) * gradings - len(ungraded))
    if student is not None and unwritten:
        try:
            write_missing(run, requests, student, _after_first(progress))
        except WriteError:
            raise  # a manifest could not be written either
        except BaseException:
            note_ends(run, budget)
            raise
    return _after_first(progress)


def _after_first(progress: Progress) -> Progress:
    """Leaves out the first call, which says what was on record."""
    calls = count()

    def advance(number: int) -> None:
        if next(calls):
            progress(number)

    return advance
