"""Grades what a fit has written while the fit goes on: one worker thread, one evaluation after the other.

Texts are on disk before they come here, and grades are on disk as they come, so whatever ends the process costs nothing
that was paid for. A grader that fails costs scores, never the fit.
"""

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from skillmix_lightning.callbacks.grader_services import Spending, spent_on_grading
from skillmix_lightning.callbacks.results import EvaluationResult
from skillmix_lightning.graders.base import Grader
from skillmix_lightning.pipeline.evaluate import grade_missing
from skillmix_lightning.pipeline.session import note_ends
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.lock import writing
from skillmix_lightning.runs.resume import missing_rounds
from skillmix_lightning.scoring import score, write_scores

_LOOK_S = 0.1


@dataclass(frozen=True)
class Job:
    """An evaluation whose texts are on disk.

    Attributes:
        step: the optimizer step that wrote them.
        run: where they are, and the grades will be.
        seconds_generating: as in `EvaluationResult`.
        failed_ranks: likewise.
    """

    step: int
    run: Run
    seconds_generating: float = 0.0
    failed_ranks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Graded:
    """What came of a job.

    Attributes:
        step: the job's.
        result: the scores, of as many grades as there are; None where the records cannot be read back.
        trouble: why grades are missing, in one line; empty if none is.
    """

    step: int
    result: EvaluationResult | None
    trouble: str = ""


@dataclass(frozen=True)
class UnderWay:
    """How far the grading of a job is.

    Attributes:
        step: the job's.
        graded: grades on record.
        asked: grades that are asked for.
    """

    step: int
    graded: int
    asked: int


#: Told how far grading is, in the worker's thread; None when nothing is graded.
Watcher = Callable[[UnderWay | None], object]


class BackgroundGrading:
    """Grades jobs in the order in which they are submitted; for rank 0.

    Args:
        grader: who grades.
        gradings: rounds per text.
        spending: the grader's budgets.

    Attributes:
        watchers: told of every grade.
    """

    def __init__(self, grader: Grader, gradings: int, spending: Spending) -> None:
        self.grader = grader
        self.gradings = gradings
        self.spending = spending
        self.watchers: list[Watcher] = []
        self.graded = 0
        self.asked = 0
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Graded] = queue.SimpleQueue()
        self._open: list[Job] = []
        self._thread: threading.Thread | None = None

    def submit(self, job: Job) -> None:
        """Grades what is missing in the job's run, when those before it are done."""
        self._open.append(job)
        self.asked += len(job.run.compositions()) * self.gradings
        if self._thread is None:
            # A daemon: a process that has reason to end does not wait for a server.
            self._thread = threading.Thread(target=self._work, name="grading", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def finished(self, limit_s: float = 0.0, until: Callable[[], bool] = lambda: False) -> list[Graded]:
        """What has been graded since the last call, in order.

        Args:
            limit_s: how long to wait for all that is open.
            until: looked at several times a second; the waiting ends when it is true.
        """
        deadline = time.monotonic() + limit_s
        came: list[Graded] = []
        while self._open:
            left = deadline - time.monotonic()
            try:
                graded = self._done.get(timeout=min(left, _LOOK_S)) if left > 0 else self._done.get_nowait()
            except queue.Empty:
                if left <= 0 or until():
                    break
                continue
            self._open.pop(0)
            came.append(graded)
        return came

    def give_up(self) -> list[Graded]:
        """The open jobs as far as they are graded; nothing more is begun, and what still comes goes to disk only."""
        came = self.finished()
        open_jobs, self._open = self._open, []
        self.close()
        return came + [self._graded(job, "") for job in open_jobs]

    def close(self) -> None:
        """Lets the worker begin nothing more, and tell nobody."""
        while True:
            try:
                self._jobs.get_nowait()
            except queue.Empty:
                break
        self._jobs.put(None)
        self._thread = None
        self._tell(None)
        self.watchers = []

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            trouble = ""
            try:
                self._grade(job)
            except Exception as error:  # of a grader, a server or a disk: none of them ends the fit
                trouble = " ".join(str(error).split()) or type(error).__name__
            self._tell(None)
            self._done.put(self._graded(job, trouble))

    def _grade(self, job: Job) -> None:
        asked, graded = len(job.run.compositions()) * self.gradings, 0

        def advance(count: int) -> None:
            nonlocal graded
            graded += count
            self.graded += count
            self._tell(UnderWay(job.step, graded, asked))

        with writing(job.run.folder), self.spending.of(job.run) as budget:
            try:
                grade_missing(job.run, self.grader, self.gradings, advance)
            finally:
                note_ends(job.run, budget)
                write_scores(job.run)

    def _tell(self, under_way: UnderWay | None) -> None:
        for watcher in self.watchers:
            watcher(under_way)

    def _graded(self, job: Job, trouble: str) -> Graded:
        try:
            compositions, grades = job.run.compositions(), job.run.grades()
            scores = score(compositions, grades, manifest=job.run.manifest())
            usd, _ = spent_on_grading(job.run)
        except Exception as error:  # somebody else's hand in the folder
            return Graded(job.step, None, trouble or str(error))
        missing = missing_rounds(compositions, grades, self.grader.name, self.gradings, "unscored")
        if missing:
            pointless = next((g.reason or g.status for g in reversed(grades) if g.status != "ok"), "none came")
            trouble = f"{len(missing):,} grades are missing or have no points ({trouble or pointless})"
        result = EvaluationResult(
            job.step,
            compositions,
            grades,
            scores,
            job.seconds_generating,
            job.failed_ranks,
            usd,
            self.spending.spent[0],
            trouble,
        )
        return Graded(job.step, result, trouble)


@contextmanager
def noting_sigterm() -> Iterator[Callable[[], bool]]:
    """Notes SIGTERM while the body waits; whoever handled it before is told as well. Yields whether it came."""
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        if callable(before):
            before(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGTERM, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTERM, before)
