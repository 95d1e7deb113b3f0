import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import composition, grade

from skillmix_lightning.scoring import CombinationScore, score_combinations
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


def scores_of(*earned: str, over: str = "max") -> TextScore | None:
    """The score of one combination from a grade for each generation; "" is a text that could not be graded."""
    texts = [composition(generation=n) for n in range(len(earned))]
    grades = [
        grade(text, points, status="ok" if points else "unparsed") for text, points in zip(texts, earned, strict=True)
    ]
    (row,) = score_combinations(texts, grades, over)
    return row.score


def test_over_generations_each_metric_has_its_own_maximum_or_mean() -> None:
    assert scores_of("11 110", "10 111", "00 111") == TextScore(0, 1, 1 / 2)
    assert scores_of("11 111", "10 111", "00 111", "11 110", over="mean") == TextScore(1 / 4, 2 / 4, 1.5 / 4)


def test_an_ungraded_generation_counts_neither_for_nor_against() -> None:
    assert scores_of("10 111", "", over="mean") == TextScore(0, 0, 1 / 2)
    assert scores_of("00 000", "") == TextScore(0, 0, 0)


def test_a_combination_without_a_graded_text_has_no_score() -> None:
    assert scores_of("", "") is None
    assert score_combinations([composition()], []) == [CombinationScore("c0", "train", 2, None)]


def test_combinations_keep_their_order_and_their_own_grades() -> None:
    texts = [composition("b"), composition("a", skills=["litotes"], split="held_out"), composition("b", generation=1)]
    grades = [grade(texts[1], "1 111"), grade(texts[2], "11 111"), grade(texts[0], "00 111")]
    assert score_combinations(texts, grades) == [
        CombinationScore("b", "train", 2, TextScore(1, 1, 1)),
        CombinationScore("a", "held_out", 1, TextScore(1, 1, 1)),
    ]
