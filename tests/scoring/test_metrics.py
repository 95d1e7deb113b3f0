from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import composition, grade

from skillmix_lightning.scoring.metrics import TextScore, score_text, vote


@pytest.mark.parametrize(
    ("earned", "full_marks", "all_skills", "skill_fraction"),
    [
        ("11 111", 1, 1, 1),
        ("11 110", 0, 1, 0),
        ("11 011", 0, 1, 0),
        ("11 100", 0, 0, 0),
        ("10 111", 0, 0, 1 / 2),
        ("10 110", 0, 0, 0),
        ("00 111", 0, 0, 0),
        ("111 111", 1, 1, 1),
        ("101 111", 0, 0, 2 / 3),
        ("1 111", 1, 1, 1),
        ("0 111", 0, 0, 0),
    ],
)
def test_the_metrics_of_a_text(earned: str, full_marks: float, all_skills: float, skill_fraction: float) -> None:
    skills = ["metaphor", "simile", "litotes"][: earned.index(" ")]
    points = grade(composition(skills=skills), earned).points
    assert score_text(skills, points) == TextScore(full_marks, all_skills, skill_fraction)


@given(points=st.lists(st.integers(0, 1), min_size=4, max_size=8))
def test_full_marks_imply_all_skills_and_the_whole_fraction(points: list[int]) -> None:
    skills = [f"s{i}" for i in range(len(points) - 3)]
    score = score_text(skills, grade(composition(skills=skills), "".join(map(str, points))).points)
    assert score.full_marks <= score.all_skills
    assert score.full_marks == (score.skill_fraction == 1) == all(points)
    assert 0 <= score.skill_fraction <= 1


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        (["1 111"], "1 111"),
        (["1 111", "1 110", "0 110"], "1 110"),
        (["1 111", "0 111"], "0 111"),  # a tie gives no point
        (["1 111", "0 111", "0 111", "1 111"], "0 111"),
    ],
)
def test_a_point_needs_more_than_half_of_the_rounds(rounds: list[str], verdict: str) -> None:
    text = composition(skills=["metaphor"])
    assert vote([grade(text, earned, n) for n, earned in enumerate(rounds)]) == grade(text, verdict).points


@pytest.mark.parametrize("status", ["unparsed", "refused", "truncated", "error"])
def test_rounds_without_a_grade_do_not_vote(status: str) -> None:
    text = composition(skills=["metaphor"])
    failed = [grade(text, "", n, status) for n in (1, 2)]
    assert vote([grade(text, "1 111"), *failed]) == grade(text, "1 111").points
    assert vote(failed) is None
    assert vote([]) is None


def test_half_points_add_up_and_a_tie_of_them_gives_no_point() -> None:
    text = composition(skills=["metaphor"])
    rounds = [replace(grade(text, "1 111"), points={**grade(text, "1 111").points, **halves}) for halves in HALVES]
    assert vote(rounds) == {"skill:metaphor": 0, "topic": 1, "sense": 0, "length": 1}


HALVES = [
    {"skill:metaphor": 0.5, "topic": 0.5, "sense": 0.5},
    {"skill:metaphor": 0.5, "sense": 0.5},
    {"skill:metaphor": 0.5, "topic": 0.5, "sense": 0},
]


def test_a_named_skill_earns_nothing() -> None:
    text = composition(skills=["metaphor", "simile"])
    assert vote([grade(text, "11 111")], named=["simile"]) == grade(text, "10 111").points
