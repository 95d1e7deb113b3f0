"""The pipeline: requests → student → grader → records. Evaluation and synthesis both run through it.

Every composition is on disk before it is graded and every grade before anything is derived from it, so a run that was
killed goes on where it stopped. Students and graders work in threads of their own, beside one another; only the
caller's thread writes. It writes whatever has come as soon as it has come, so what a server was paid for is on disk
within the time of one fsync, and a slow disk gets larger groups, not a longer wait.
"""

import logging
import queue
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar, overload, runtime_checkable

from skillmix_lightning.graders.base import Grade, Grader
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.resume import Regrade, Round, missing_requests, missing_rounds
from skillmix_lightning.students.base import Composition, Request, Student

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

#: Called with how many more texts were written or grades given.
Progress = Callable[[int], object]


@runtime_checkable
class RoundsGrader(Protocol):
    """A grader that can be asked for single grading rounds: one that charges for each."""

    def grade_rounds(self, rounds: Sequence[Round]) -> Iterator[Grade]:
        """Grades each composition in the round given with it."""
        ...


def write_missing(run: Run, requests: Sequence[Request], student: Student, progress: Progress = lambda n: None) -> None:
    """Has the student answer the requests that the run holds no composition for, and records what it writes."""
    missing = missing_requests(requests, run.compositions())
    progress(len(requests) - len(missing))
    _Work(run, progress).carry_out(writing=(student, missing))


def grade_missing(
    run: Run, grader: Grader, gradings: int, progress: Progress = lambda n: None, regrade: Regrade = "errors"
) -> None:
    """Has the grader grade the run's compositions that it holds too few grades for, and records the grades.

    Args:
        run: the run.
        grader: who grades.
        gradings: rounds per text.
        progress: called as grades are given.
        regrade: which rounds on record are asked for again.
    """
    compositions = run.compositions()
    missing = missing_rounds(compositions, run.grades(), grader.name, gradings, regrade)
    progress(len(compositions) * gradings - len(missing))
    _Work(run, progress).carry_out(grading=(grader, missing, gradings))


def write_and_grade(
    run: Run,
    requests: Sequence[Request],
    student: Student | None,
    grader: Grader,
    gradings: int,
    progress: Progress = lambda n: None,
    regrade: Regrade = "errors",
) -> None:
    """Both at once: a text is graded as soon as it is on disk, while others are being written.

    The first failure of either ends the work: calls under way are finished and recorded, none is begun, and then it is
    raised. So does Ctrl-C; a second one drops the calls under way.

    Args:
        run: the run.
        requests: all that are asked for; those that the run holds a composition for are left out.
        student: who writes; None where nothing is left to write.
        grader: who grades.
        gradings: rounds per text.
        progress: called as texts are written and grades given.
        regrade: which rounds on record are asked for again.
    """
    compositions = run.compositions()
    unwritten = missing_requests(requests, compositions)
    ungraded = missing_rounds(compositions, run.grades(), grader.name, gradings, regrade)
    progress(len(requests) - len(unwritten) + len(compositions) * gradings - len(ungraded))
    assert student is not None or not unwritten, "who writes is given where something is to be written"
    writing = None if student is None else (student, unwritten)
    _Work(run, progress).carry_out(writing, (grader, ungraded, gradings))


class _Ended:
    """The last thing that a thread hands over."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Work:
    """One stretch of work on a run: a thread that writes, one that grades, and the records.

    Attributes:
        ending: no call may begin; a plain attribute, since a signal handler sets it.
        dropped: calls under way are not waited for either.
    """

    def __init__(self, run: Run, progress: Progress) -> None:
        self.run = run
        self.progress = progress
        self.ending = False
        self.dropped = False
        self._came: queue.SimpleQueue[Composition | Grade | _Ended] = queue.SimpleQueue()
        self._to_grade: queue.SimpleQueue[list[Round] | None] = queue.SimpleQueue()

    def carry_out(
        self,
        writing: tuple[Student, Sequence[Request]] | None = None,
        grading: tuple[Grader, Sequence[Round], int] | None = None,
    ) -> None:
        """Runs the threads to their end.

        Raises:
            WriteError: a record cannot be written.
            KeyboardInterrupt: Ctrl-C; everything that came is on disk.
            Exception: what the student or the grader raised first.
        """
        with self._interruptible() as interrupted:
            threads = 0
            if writing and writing[1]:
                student, requests = writing
                self._start("student", lambda: student.write(_UntilEnding(requests, self)), _pays(student))
                threads += 1
            if grading and (threads or grading[1]):
                grader, rounds, _ = grading
                self._start("grader", lambda: self._grades(grader), _pays(grader))
                self._to_grade.put(list(rounds))
                if not threads:
                    self._to_grade.put(None)
                threads += 1
            failure = self._record(threads, grading[2] if grading else 0)
        if failure is not None:
            raise failure
        if interrupted():
            raise KeyboardInterrupt

    def end(self) -> None:
        """Lets what is under way finish and begins nothing more."""
        self.ending = True
        self._to_grade.put(None)

    def _record(self, threads: int, gradings: int) -> BaseException | None:
        """Writes down what comes until every thread has ended; returns the first failure of one."""
        failure: BaseException | None = None
        try:
            while threads:
                group = _all_there(self._came)
                compositions = [each for each in group if isinstance(each, Composition)]
                grades = [each for each in group if isinstance(each, Grade)]
                self.run.add_compositions(compositions)
                self.run.add_grades(grades)
                self.progress(len(compositions) + len(grades))
                if gradings and compositions:
                    self._to_grade.put([(c, grading) for c in compositions for grading in range(gradings)])
                for ended in (each for each in group if isinstance(each, _Ended)):
                    threads -= 1
                    failure = failure or ended.error
                    self._to_grade.put(None)  # the student has ended, or the grader, which reads no more
                if failure is not None and not self.ending:
                    self.end()
        except BaseException:
            self.dropped = True
            self.end()
            raise
        return failure

    def _start(self, name: str, produce: Callable[[], Iterator[Composition | Grade]], pays: bool) -> None:
        def work() -> None:
            error: BaseException | None = None
            try:
                items = produce()
                for item in items:
                    self._came.put(item)
                    # What is under way at a server is paid for, and awaited; a local model's next text is not.
                    if self.dropped or (self.ending and not pays):
                        break
                if isinstance(items, Generator):
                    items.close()
            except BaseException as raised:
                error = raised
            self._came.put(_Ended(error))

        threading.Thread(target=work, name=name, daemon=True).start()

    def _grades(self, grader: Grader) -> Iterator[Grade]:
        """Grades all that waits, and then all that came meanwhile, until None comes."""
        closed = False
        while not closed:
            groups = _all_there(self._to_grade)
            closed = None in groups
            rounds = [each for group in groups if group is not None for each in group]
            if rounds and not self.ending:
                yield from _grades_of(grader, _UntilEnding(rounds, self))

    @contextmanager
    def _interruptible(self) -> Iterator[Callable[[], bool]]:
        """Makes the first Ctrl-C end the work in order, so that no group is written by half; yields whether it came."""
        came = False

        def handle(number: int, frame: object) -> None:
            nonlocal came
            if came:
                raise KeyboardInterrupt
            came = True
            self.end()
            _LOG.warning("finishing what is under way; press Ctrl-C again to drop it")

        if threading.current_thread() is not threading.main_thread():
            yield lambda: False
            return
        before = signal.signal(signal.SIGINT, handle)
        try:
            yield lambda: came
        finally:
            signal.signal(signal.SIGINT, before)


class _UntilEnding(Sequence[_T]):
    """Items whose iteration ends early when the work does: what takes them one by one then begins no further one."""

    def __init__(self, items: Sequence[_T], work: _Work) -> None:
        self._items = items
        self._work = work

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | Sequence[_T]:
        return self._items[index]

    def __iter__(self) -> Iterator[_T]:
        for item in self._items:
            if self._work.ending:
                return
            yield item


def _grades_of(grader: Grader, rounds: Sequence[Round]) -> Iterator[Grade]:
    """The grades of these rounds; of a grader that cannot be asked for single ones, the others are left out."""
    if isinstance(grader, RoundsGrader):
        yield from grader.grade_rounds(rounds)
        return
    wanted = {(composition.combination.id, composition.generation, grading) for composition, grading in rounds}
    texts = {(composition.combination.id, composition.generation): composition for composition, _ in rounds}
    for grade in grader.grade(list(texts.values()), 1 + max(grading for _, grading in rounds)):
        if (grade.combination_id, grade.generation, grade.grading) in wanted:
            yield grade


def _all_there(items: "queue.SimpleQueue[_T]") -> list[_T]:
    """Waits for one item and takes all that have come by then."""
    group = [items.get()]
    while True:
        try:
            group.append(items.get_nowait())
        except queue.Empty:
            return group


def _pays(part: object) -> bool:
    """Whether a student or a grader is behind a server: those take services, a budget and a cache."""
    return hasattr(part, "services")
