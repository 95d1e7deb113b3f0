import pytest
from records import composition, grade

from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.scoring import CombinationScore, score_combinations
from skillmix_lightning.scoring.metrics import TextScore
from skillmix_lightning.scoring.texts import score_texts
from skillmix_lightning.students.base import Composition


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


def test_a_skill_that_the_text_names_earns_nothing_unless_the_rule_is_off() -> None:
    texts = [composition("a", text="Such metaphors!"), composition("b", text="A metaphorical map.")]
    grades = [grade(text, "11 111") for text in texts]
    assert [row.score for row in score_combinations(texts, grades)] == [TextScore(0, 0, 1 / 2), TextScore(1, 1, 1)]
    assert [row.score for row in score_combinations(texts, grades, name_rule=False)] == [TextScore(1, 1, 1)] * 2


def test_the_rounds_that_are_there_vote_and_are_counted() -> None:
    text = composition(generation=2)
    grades = [grade(text, "11 111", 1), grade(text, "", 4, "truncated"), grade(text, "11 111", 7)]
    (scored,) = score_texts([text], grades)
    assert (scored.generation, scored.gradings, scored.graded) == (2, (1, 4, 7), 2)
    assert scored.score == TextScore(1, 1, 1)


def test_a_round_that_was_asked_about_again_counts_as_it_was_recorded_last() -> None:
    text = composition()
    grades = [grade(text, "", status="unparsed"), grade(text, "11 111"), grade(text, "00 111", 1)]
    (scored,) = score_texts([text], grades)
    assert (scored.gradings, scored.graded, scored.score) == ((0, 1), 2, TextScore(0, 0, 0))


def test_several_graders_are_refused() -> None:
    text = composition()
    grades = [grade(text, "11 111"), Grade("c0", 0, 1, "another", "error", {})]
    with pytest.raises(InputError, match=r"^grades by several graders \(another, judge\); give each grader a run"):
        score_texts([text], grades)


def test_points_of_another_rubric_are_refused() -> None:
    text, other = composition("a"), composition("a", skills=["metaphor", "litotes"])
    with pytest.raises(InputError) as refused:
        score_texts([text], [grade(other, "11 111")])
    assert str(refused.value) == (
        "points that are not those of the rubric: combination a, generation 0, grading 0 lacks, or has too many: "
        "skill:litotes, skill:simile"
    )


def test_of_many_refused_grades_five_are_shown() -> None:
    texts = [composition(f"c{n}") for n in range(7)]
    with pytest.raises(InputError, match=r"grading 0 lacks.*; and 2 more grades$"):
        score_texts(texts, [Grade(text.combination.id, 0, 0, "judge", "ok", {"topic": 1}) for text in texts])


@pytest.mark.parametrize("wrong", [{"protocol": "papers"}, {"over_generations": "best"}])
def test_what_there_is_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r": there are (paper and reference|max and mean)$"):
        score_combinations([composition()], [], **wrong)


def reply(of: Composition, raw: str, status: str = "ok", grading: int = 0) -> Grade:
    points = grade(of, "00 000").points if status == "ok" else {}
    return Grade(of.combination.id, of.generation, grading, "judge", status, points, raw=raw)


TABLE = "| a | 1 |\n| b | 1 |\n| c | 1 |\n| d | 1 |"


def test_protocol_reference_reads_the_replies_and_not_the_points() -> None:
    text = composition()
    (row,) = score_combinations([text], [reply(text, TABLE)], protocol="reference")
    assert row == CombinationScore("c0", "train", 2, TextScore(1, 1, 1))


def test_protocol_reference_leaves_unscored_what_the_reference_implementation_stops_at() -> None:
    texts = [composition("a"), composition("b"), composition("c")]
    grades = [
        *(reply(texts[0], TABLE), reply(texts[0], "| a | N.A. |", "unparsed", 1)),
        *(reply(texts[1], "", "error"), reply(texts[1], "| a | N.A. |", "unparsed", 1)),
        reply(texts[2], "I cannot grade this.", "refused"),
    ]
    scored = score_texts(texts, grades, "reference")
    assert [(len(text.gradings), text.graded) for text in scored] == [(2, 1), (2, 0), (1, 1)]
    assert [text.score for text in scored] == [TextScore(1, 1, 1), None, TextScore(0, 0, 0)]


@pytest.mark.parametrize("raw", ["skill:metaphor 1: shown\ntopic 1: met", '{"skill:metaphor": 1, "topic": 1}'])
def test_protocol_reference_refuses_replies_that_are_no_tables(raw: str) -> None:
    text = composition()
    with pytest.raises(InputError) as refused:
        score_texts([text], [reply(text, raw)], "reference")
    assert str(refused.value) == (
        'protocol reference reads tables, and no reply of "judge" is one (combination c0, generation 0, grading 0); '
        "score this run with protocol paper"
    )


def test_an_empty_text_which_nobody_grades_is_no_reason_to_refuse() -> None:
    texts = [composition("a", text=""), composition("b")]
    grades = [reply(texts[0], "empty text"), reply(texts[1], TABLE)]
    assert [text.score for text in score_texts(texts, grades, "reference")] == [TextScore(0, 0, 0), TextScore(1, 1, 1)]
    assert [text.score for text in score_texts(texts[:1], grades[:1], "reference")] == [TextScore(0, 0, 0)]
