from dataclasses import replace

import pytest
from records import composition, grade

from skillmix_lightning.scoring.agreement import CRITERIA, Agreement, between_graders, between_rounds, full_marks
from skillmix_lightning.scoring.texts import score_texts

TEXTS = [composition(f"c{n}", generation=g) for n in range(2) for g in range(2)]


def graded(*earned: str, grading: int = 0, grader: str = "judge"):
    """A grade for each of the texts; "" is an unparsed one."""
    return [
        replace(grade(text, points, grading, status="ok" if points else "unparsed"), grader=grader)
        for text, points in zip(TEXTS, earned, strict=True)
    ]


def by_criterion(rows: list[Agreement]) -> dict[str, Agreement]:
    assert tuple(row.criterion for row in rows) == CRITERIA
    return {row.criterion: row for row in rows}


def test_graders_are_compared_criterion_by_criterion() -> None:
    strict = graded("11 111", "10 111", "00 011", "11 111", grader="strict")
    kind = graded("11 111", "11 111", "00 111", "11 111", grader="kind")
    rows = by_criterion(between_graders(TEXTS, {"strict": strict, "kind": kind}))
    assert {name: (row.raters, row.rated, row.raw) for name, row in rows.items()} == {
        "skills": (2, 8, 7 / 8),
        "topic": (2, 4, 3 / 4),
        "sense": (2, 4, 1.0),
        "length": (2, 4, 1.0),
        "all": (2, 20, 18 / 20),
    }
    # 7 of 8 agree; by chance 5/8 * 6/8 + 3/8 * 2/8 would.
    assert rows["skills"].kappa == pytest.approx((7 / 8 - 36 / 64) / (1 - 36 / 64))
    assert rows["topic"].kappa == 0
    assert rows["sense"].kappa is None


def test_a_graders_rounds_vote_before_it_is_compared() -> None:
    rounds = [
        each for n, points in enumerate(["11 111", "11 111", "00 000"]) for each in graded(*[points] * 4, grading=n)
    ]
    rows = by_criterion(between_graders(TEXTS, {"three": rounds, "one": graded(*["11 111"] * 4)}))
    assert rows["all"].raw == 1


def test_rounds_of_a_grader_are_compared_with_one_another() -> None:
    rounds = graded(*["11 111"] * 4) + graded(*["11 111"] * 3, "01 111", grading=1) + graded(*["11 111"] * 4, grading=2)
    rows = by_criterion(between_rounds(TEXTS, rounds))
    assert (rows["skills"].raters, rows["skills"].rated) == (3, 8)
    assert rows["skills"].raw == pytest.approx((7 + 1 / 3) / 8)


def test_what_is_unscored_is_missing_and_no_zero() -> None:
    rows = by_criterion(between_rounds(TEXTS, graded(*["11 111"] * 4) + graded(*["11 111"] * 3, "", grading=1)))
    assert (rows["topic"].rated, rows["topic"].incomplete, rows["topic"].raw) == (3, 1, 1.0)
    rows = by_criterion(between_graders(TEXTS, {"a": graded(*[""] * 4), "b": graded(*["11 111"] * 4)}))
    assert (rows["topic"].rated, rows["topic"].incomplete, rows["topic"].raw) == (0, 4, None)
    assert rows["topic"].ci95 == {"raw": None, "kappa": None, "alpha": None}


def test_a_round_recorded_twice_counts_as_it_was_recorded_last() -> None:
    twice = [*graded("00 000", *["11 111"] * 3), *graded(*["11 111"] * 4)]
    rows = by_criterion(between_graders(TEXTS, {"a": twice, "b": graded(*["11 111"] * 4)}))
    assert rows["all"].raw == 1


@pytest.mark.parametrize(
    ("how", "by", "by_all", "by_majority"), [("max", [1.0, 0.5, 1.0], 0.5, 1.0), ("mean", [0.75, 0.5, 0.5], 0.25, 0.75)]
)
def test_full_marks_by_each_grader_by_all_and_by_most(how, by, by_all, by_majority) -> None:
    full, none = "11 111", "00 111"
    graders = {
        "a": graded(full, full, full, none),
        "b": graded(full, full, none, none),
        "c": graded(full, none, full, none),
    }
    scored = {name: score_texts(TEXTS, grades) for name, grades in graders.items()}
    (row,) = full_marks(scored, how)
    assert (row.split, row.k, row.combinations) == ("train", 2, 2)
    assert row.by == dict(zip("abc", by, strict=True))
    assert (row.by_all, row.by_majority) == (by_all, by_majority)


def test_full_marks_are_of_texts_that_all_graders_scored() -> None:
    scored = {
        "a": score_texts(TEXTS, graded("11 111", "11 111", "", "")),
        "b": score_texts(TEXTS, graded("", "00 111", "11 111", "")),
    }
    (row,) = full_marks(scored)
    assert (row.combinations, row.by, row.by_all, row.by_majority) == (1, {"a": 1.0, "b": 0.0}, 0.0, 0.0)
