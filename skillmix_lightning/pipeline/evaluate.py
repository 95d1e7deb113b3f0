"""The pipeline: requests → student → grader → records. Evaluation and synthesis both run through it.

Every composition is on disk before it is graded and every grade before anything is derived from it, so a run that was
killed goes on where it stopped.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from skillmix_lightning.graders.base import Grader
from skillmix_lightning.runs import Run
from skillmix_lightning.students.base import Request, Student

_GROUP = 32
_T = TypeVar("_T")

#: Called with how many more texts were written or graded.
Progress = Callable[[int], object]


def write_missing(run: Run, requests: Sequence[Request], student: Student, progress: Progress = lambda n: None) -> None:
    """Has the student answer the requests that the run holds no composition for, and records what it writes."""
    done = {(c.combination.id, c.generation) for c in run.compositions()}
    missing = [request for request in requests if (request.combination.id, request.generation) not in done]
    progress(len(requests) - len(missing))
    for group in _groups(student.write(missing)):
        run.add_compositions(group)
        progress(len(group))


def grade_missing(run: Run, grader: Grader, gradings: int, progress: Progress = lambda n: None) -> None:
    """Has the grader grade the run's compositions that it holds too few grades for, and records the grades.

    A grade of a round that is on record already is left out: it would count twice in the vote.
    """
    done = {(g.combination_id, g.generation, g.grading) for g in run.grades()}
    compositions = run.compositions()
    missing = [c for c in compositions if any((c.combination.id, c.generation, n) not in done for n in range(gradings))]
    progress(len(compositions) - len(missing))
    for group in _groups(grader.grade(missing, gradings)):
        run.add_grades([g for g in group if (g.combination_id, g.generation, g.grading) not in done])
        progress(sum(grade.grading == gradings - 1 for grade in group))


def _groups(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while group := list(islice(iterator, _GROUP)):
        yield group
