from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from skillmix_lightning.graders import CheckerGrader
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.pipeline.evaluate import grade_missing, write_missing
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.runs import Run
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


def test_a_run_that_was_killed_while_writing_goes_on_and_writes_every_text_once(run: Run) -> None:
    with pytest.raises(KilledError):
        write_missing(run, REQUESTS, CountingStudent(killed_after=40))
    assert len(run.compositions()) == 32  # what was in the group that was not finished is written again

    advanced: list[int] = []
    second = CountingStudent()
    write_missing(run, REQUESTS, second, advanced.append)
    assert second.wrote.total() == 64
    assert set(second.wrote.values()) == {1}
    assert advanced == [32, 32, 32]
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
    assert 0 < len(run.grades()) <= killed_after
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
    assert sum(advanced) == 5


def test_the_template_student_s_texts_earn_full_marks_in_the_scores(run: Run) -> None:
    write_missing(run, REQUESTS, TemplateStudent())
    grade_missing(run, CheckerGrader(), PLAN.gradings)
    rows = write_scores(run)
    assert [(row.split, row.k, row.combinations, row.generations, row.gradings, row.unscored) for row in rows] == [
        (split, k, 12, 2, 3, 0) for split in ("train", "held_out") for k in (1, 2)
    ]
    assert all(row.full_marks is not None and row.full_marks >= 11 / 12 for row in rows)
