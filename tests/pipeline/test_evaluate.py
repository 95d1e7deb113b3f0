import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from skillmix_lightning.errors import InputError
from skillmix_lightning.graders import CheckerGrader
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.pipeline.evaluate import grade_missing, write_and_grade, write_missing
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.jsonl import WriteError
from skillmix_lightning.scoring import write_scores
from skillmix_lightning.students.base import Composition, Request
from skillmix_lightning.students.template import TemplateStudent

PLAN = Plan(ks=(1, 2), combinations=12, generations=2, gradings=3)
REQUESTS = PLAN.requests()  # 96, three groups


class KilledError(Exception):
    pass


class CountingStudent(TemplateStudent):
    """Counts what it writes, and is killed after so many texts."""

    def __init__(self, killed_after: int | None = None) -> None:
        super().__init__()
        self.killed_after = killed_after
        self.wrote: Counter[tuple[str, int]] = Counter()

    def write(self, requests: Sequence[Request]) -> Iterator[Composition]:
        for composition in super().write(requests):
            if self.wrote.total() == self.killed_after:
                raise KilledError
            self.wrote[composition.combination.id, composition.generation] += 1
            yield composition


class CountingGrader(CheckerGrader):
    def __init__(self, killed_after: int | None = None) -> None:
        super().__init__()
        self.killed_after = killed_after
        self.graded = 0

    def grade(self, compositions: Sequence[Composition], gradings: int = 1) -> Iterator[Grade]:
        for grade in super().grade(compositions, gradings):
            if self.graded == self.killed_after:
                raise KilledError
            self.graded += 1
            yield grade


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.start(tmp_path, PLAN.manifest())


def rounds(run: Run) -> Counter[tuple[str, int, int]]:
    return Counter((grade.combination_id, grade.generation, grade.grading) for grade in run.grades())


def keys(compositions: Iterable[Composition]) -> list[tuple[str, int]]:
    return [(c.combination.id, c.generation) for c in compositions]


def test_a_run_that_was_killed_while_writing_goes_on_and_writes_every_text_once(run: Run) -> None:
    with pytest.raises(KilledError):
        write_missing(run, REQUESTS, CountingStudent(killed_after=40))
    assert len(run.compositions()) == 40

    advanced: list[int] = []
    second = CountingStudent()
    write_missing(run, REQUESTS, second, advanced.append)
    assert second.wrote.total() == 56
    assert set(second.wrote.values()) == {1}
    assert advanced[0] == 40
    assert sum(advanced) == 96
    on_record = [(c.combination, c.generation) for c in run.compositions()]
    assert on_record == [(request.combination, request.generation) for request in REQUESTS]

    third = CountingStudent()
    write_missing(run, REQUESTS, third)
    assert third.wrote.total() == 0


def test_a_run_that_was_killed_and_one_that_was_not_hold_the_same_bytes(run: Run, tmp_path: Path) -> None:
    whole = Run.start(tmp_path / "whole", PLAN.manifest())
    write_missing(whole, REQUESTS, TemplateStudent())
    grade_missing(whole, CheckerGrader(), 3)
    write_scores(whole)
    with pytest.raises(KilledError):
        write_missing(run, REQUESTS, CountingStudent(killed_after=70))
    write_missing(run, REQUESTS, TemplateStudent())
    grade_missing(run, CheckerGrader(), 3)
    write_scores(run)
    for name in ("compositions.jsonl", "grades.jsonl", "scores.json"):
        assert (run.folder / name).read_bytes() == (whole.folder / name).read_bytes()


@pytest.mark.parametrize("killed_after", [33, 64, 100])
def test_every_round_is_on_record_once_wherever_grading_was_killed(run: Run, killed_after: int) -> None:
    write_missing(run, REQUESTS, TemplateStudent())
    with pytest.raises(KilledError):
        grade_missing(run, CountingGrader(killed_after), 3)
    assert len(run.grades()) == killed_after
    grade_missing(run, CheckerGrader(), 3)
    assert rounds(run) == Counter(
        (request.combination.id, request.generation, n) for request in REQUESTS for n in range(3)
    )
    again = CountingGrader()
    grade_missing(run, again, 3)
    assert again.graded == 0


def test_more_gradings_later_add_only_the_rounds_that_are_not_there(run: Run) -> None:
    write_missing(run, REQUESTS[:5], TemplateStudent())
    grade_missing(run, CheckerGrader(), 1)
    advanced: list[int] = []
    grade_missing(run, CheckerGrader(), 3, advanced.append)
    assert set(rounds(run).values()) == {1}
    assert len(run.grades()) == 15
    assert (advanced[0], sum(advanced)) == (5, 15)


def test_a_grader_that_charges_by_the_round_is_asked_for_the_missing_ones_only(run: Run) -> None:
    write_missing(run, REQUESTS[:4], TemplateStudent())
    texts = run.compositions()
    done = [g for g in CheckerGrader().grade(texts, 3) if (g.generation, g.grading) in ((0, 1), (1, 0))]
    failed = replace(done[0], status="error", points={})
    run.add_grades([*done[1:], failed])
    grader = ChargingGrader()
    grade_missing(run, grader, 3)
    assert Counter(grader.asked) == Counter(
        (c.combination.id, c.generation, n)
        for c in texts
        for n in range(3)
        if (c.generation, n) not in ((0, 1), (1, 0)) or (c.combination.id, c.generation, n) == round_of(failed)
    )
    assert rounds(run) == Counter({**dict.fromkeys(rounds(run), 1), round_of(failed): 2})


class ChargingGrader(CheckerGrader):
    """Can be asked for single rounds; remembers what it was asked for, and what was on record then."""

    def __init__(self, run: Run | None = None) -> None:
        super().__init__()
        self.run = run
        self.asked: list[tuple[str, int, int]] = []
        self.has_graded = threading.Event()

    def grade_rounds(self, rounds: Sequence[tuple[Composition, int]]) -> Iterator[Grade]:
        for composition, grading in rounds:
            if self.run is not None:
                assert composition in self.run.compositions()
            self.asked.append((composition.combination.id, composition.generation, grading))
            (grade,) = self.grade([composition])
            yield replace(grade, grading=grading)
            self.has_graded.set()


def round_of(grade: Grade) -> tuple[str, int, int]:
    return grade.combination_id, grade.generation, grade.grading


class ServedStudent(TemplateStudent):
    """Answers as one behind a server does: some requests are under way while others wait."""

    services = None
    under_way = 8

    def __init__(self, before_the_last: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.before_the_last = before_the_last
        self.taken: list[Request] = []

    def write(self, requests: Sequence[Request]) -> Iterator[Composition]:
        waiting = iter(requests)
        while group := list(islice(waiting, self.under_way)):
            self.taken += group
            yield from super().write(group[:-1])
            self.before_the_last()
            yield from super().write(group[-1:])


def test_a_text_is_graded_while_others_are_written_and_is_on_disk_before(run: Run) -> None:
    grader = ChargingGrader(run)
    student = ServedStudent(before_the_last=lambda: assert_soon(grader.has_graded))
    advanced: list[int] = []
    write_and_grade(run, REQUESTS, student, grader, 3, advanced.append)
    assert keys(run.compositions()) == [(r.combination.id, r.generation) for r in REQUESTS]
    assert sorted(rounds(run)) == sorted((*key, n) for key in keys(run.compositions()) for n in range(3))
    assert sum(advanced) == 96 * 4


def assert_soon(event: threading.Event) -> None:
    assert event.wait(30)


def test_streamed_records_are_those_of_one_after_the_other(run: Run, tmp_path: Path) -> None:
    after = Run.start(tmp_path / "after", PLAN.manifest())
    write_missing(after, REQUESTS, TemplateStudent())
    grade_missing(after, CheckerGrader(), 2)
    write_and_grade(run, REQUESTS, TemplateStudent(), CheckerGrader(), 2)
    for name in ("compositions.jsonl", "grades.jsonl"):
        assert (run.folder / name).read_bytes() == (after.folder / name).read_bytes()


@pytest.mark.parametrize("student_dies", [True, False])
def test_when_one_of_the_two_fails_what_came_of_both_is_on_record_and_the_rest_is_resumed(
    run: Run, student_dies: bool
) -> None:
    student = CountingStudent(killed_after=50 if student_dies else None)
    grader = CountingGrader(killed_after=None if student_dies else 50)
    with pytest.raises(KilledError):
        write_and_grade(run, REQUESTS, student, grader, 2)
    assert len(run.compositions()) == student.wrote.total()
    assert len(run.grades()) == grader.graded
    write_and_grade(run, REQUESTS, TemplateStudent(), CheckerGrader(), 2)
    assert Counter(keys(run.compositions())) == Counter((r.combination.id, r.generation) for r in REQUESTS)
    assert set(rounds(run).values()) == {1}
    assert len(run.grades()) == 192


def test_calls_under_way_at_a_server_are_recorded_when_the_grader_fails_and_no_more_are_begun(run: Run) -> None:
    class FailingGrader(CheckerGrader):
        def grade(self, compositions: Sequence[Composition], gradings: int = 1) -> Iterator[Grade]:
            raise InputError("the key is wrong")

    student = ServedStudent(before_the_last=lambda: time.sleep(0.2))
    with pytest.raises(InputError, match="the key is wrong"):
        write_and_grade(run, REQUESTS, student, FailingGrader(), 1)
    assert student.taken == REQUESTS[:8]
    assert len(run.compositions()) == 8


def test_ctrl_c_ends_the_work_with_every_text_that_came_on_record(run: Run) -> None:
    before = signal.getsignal(signal.SIGINT)
    student = ServedStudent(before_the_last=interrupt_once())
    with pytest.raises(KeyboardInterrupt):
        write_and_grade(run, REQUESTS, student, CheckerGrader(), 1)
    assert len(run.compositions()) == len(student.taken) == 8
    assert signal.getsignal(signal.SIGINT) is before
    write_and_grade(run, REQUESTS, TemplateStudent(), CheckerGrader(), 1)
    assert len(run.compositions()) == len(run.grades()) == 96


def interrupt_once() -> Callable[[], None]:
    done: list[bool] = []

    def interrupt() -> None:
        if not done:
            done.append(True)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    return interrupt


def test_records_that_cannot_be_written_end_the_work_and_those_that_were_stay(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = [False, True]
    add = Run.add_compositions

    def add_or_fail(run: Run, compositions: Sequence[Composition]) -> None:
        if compositions and fails.pop(0):
            raise WriteError(28, "No space left on device", "compositions.jsonl")
        add(run, compositions)

    monkeypatch.setattr(Run, "add_compositions", add_or_fail)
    student = ServedStudent(before_the_last=lambda: time.sleep(0.1))
    with pytest.raises(WriteError):
        write_and_grade(run, REQUESTS, student, CheckerGrader(), 1)
    assert 0 < len(run.compositions()) < 96


def test_a_clock_that_jumps_changes_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steady = Run.start(tmp_path / "steady", PLAN.manifest())
    write_and_grade(steady, REQUESTS, TemplateStudent(), CheckerGrader(), 1)
    jumps = random.Random(0)
    monkeypatch.setattr(time, "time", lambda: jumps.uniform(0, 4e9))
    write_and_grade(run, REQUESTS[:50], TemplateStudent(), CheckerGrader(), 1)
    write_and_grade(run, REQUESTS, TemplateStudent(), CheckerGrader(), 1)
    assert (run.folder / "grades.jsonl").read_bytes() == (steady.folder / "grades.jsonl").read_bytes()


def test_the_template_student_s_texts_earn_full_marks_in_the_scores(run: Run) -> None:
    write_missing(run, REQUESTS, TemplateStudent())
    grade_missing(run, CheckerGrader(), PLAN.gradings)
    rows = write_scores(run)
    assert [(row.split, row.k, row.combinations, row.generations, row.gradings, row.unscored) for row in rows] == [
        (split, k, 12, 2, 3, 0) for split in ("train", "held_out") for k in (1, 2)
    ]
    assert all(row.full_marks is not None and row.full_marks >= 11 / 12 for row in rows)
