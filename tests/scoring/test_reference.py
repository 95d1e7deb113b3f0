import contextlib
import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_folder import PUBLISHED

from skillmix_lightning.scoring.metrics import TextScore
from skillmix_lightning.scoring.reference import (
    UnreadableReply,
    count_sentences,
    is_named,
    points_in_order,
    points_in_prose,
    text_score,
)

ANNOUNCED = "Here's the grading table:\n"


@pytest.mark.parametrize(
    ("rows", "points"),
    [
        ("| Correctly illustrates metaphor | 1 |\n| Pertains to Sewing | 0 |", [1, 0]),
        ("Pertains to Sewing | 0\nCorrectly illustrates metaphor | 1", [0, 1]),  # by order, not by name
        ("| Criteria | Points |\n|---|---|\n| a | 1 |\n| Total | 1 |", [1]),
        ("| a | 1/1 |\n| b | 0/1 |\n| c | 0.5 |\n| d | .5 |", [1, 0, 0.5, 0.5]),
        ("| a | 1 (see 2) |\n| b | -1 |\n| c | **1** |\n| d | 2 points |", [12, 1, 1, 2]),
        ("| a | ✓ |\n| b | one |\n| c | 1 |", [1]),  # what holds no digit is lost
        ("| a | 1 |\n| a | 0 |\n| b | 1 |", [0, 1]),  # the last of two rows of one name, in the place of the first
        ("| A | 1 |\n| a | 0 |", [0]),
        ("| pertains to totalitarianism | 1 |\n| underscores | 1 |\n| b | 0 |", [0]),
        ("| a | 1 | 0 |", [1]),
        ("|  |\n||\n| a -- b | 1 |\n| c | 1 |", [1]),
        ("No table.", []),
        ("", []),
    ],
)
def test_points_are_taken_in_the_order_of_the_rows(rows: str, points: list[float]) -> None:
    assert points_in_order(ANNOUNCED + rows) == points


def test_the_table_is_behind_the_last_announcement_and_before_the_first_explanation() -> None:
    reply = f"| x | 1 |\n{ANNOUNCED}| y | 1 |\n{ANNOUNCED}| z | 0 |\nExplanation:\n| w | 1 |\nExplanation: |"
    assert points_in_order(reply) == [0]
    assert points_in_order("| x | 1 |\nExplanation: none") == [1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("| a | N.A. |", '"N.A." is no number'),
        ("| a | N/A |", '"N/A" is no number'),
        ("| a | 1.0/1 |", '"1.0/1" is no number'),
        ("| a | |", 'the row "| a | |" has one cell'),
        ("| a |", 'the row "| a |" has one cell'),
    ],
)
def test_where_the_reference_implementation_stops_the_reply_is_unreadable(row: str, reason: str) -> None:
    with pytest.raises(UnreadableReply) as stopped:
        points_in_order(f"| b | 1 |\n{row}")
    assert str(stopped.value) == reason


@pytest.mark.parametrize(
    ("reply", "points"),
    [
        ("Metaphor. Point earned: 1\nSimile. Points Earned: 0.5.", [1, 0.5]),
        ("Point earned: 1/1, point earned: 'none'; earned: 'none 1'", [1, 0, 0]),
        ("Point earned:\n 1 (of 2)\nearned: ", [1]),
        ("| a | 1 |", []),
    ],
)
def test_prose_is_read_behind_the_word_earned(reply: str, points: list[float]) -> None:
    assert points_in_prose(reply) == points


@given(reply=st.text("|-.01/ \naTotal:é½", max_size=60))
def test_any_reply_gives_points_or_is_unreadable(reply: str) -> None:
    with contextlib.suppress(UnreadableReply):
        assert all(isinstance(point, float) for point in points_in_order(reply))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 1),
        ("One. Two! Three? Four.", 4),
        ("Mr. Smith met Dr. Who and Prof. Brown.", 1),
        ("Mrs. Smith met Ms. Jones.", 1),
        ("It was Mrs Smith.", 1),
        ("J. R. Smith came.", 3),  # initials add sentences
        ("One.\nTwo.", 1),  # a line break hides one
        ("“One.” “Two.”", 1),  # so do curly quotation marks
        ('"One." "Two." \'Three.\' Four.', 4),
        ("It costs 3.50 dollars. and more.", 1),
        ("One.  Two.", 1),
    ],
)
def test_sentences_are_counted_as_there(text: str, sentences: int) -> None:
    assert count_sentences(text) == sentences


@pytest.mark.parametrize(
    ("text", "skill", "named"),
    [
        ("A metaphorical map.", "metaphor", True),
        ("METAPHOR!", "Metaphor", True),
        ("An accident.", "accident (fallacy)", True),
        ("A complex question", "complex question (loaded question with implicit assumption )", True),
        ("red  herring", "red herring", False),
        ("Anything", "(unnamed)", True),
    ],
)
def test_a_name_is_a_substring(text: str, skill: str, named: bool) -> None:
    assert is_named(text, skill) is named


SKILLS = ("metaphor", "simile")


@pytest.mark.parametrize(
    ("rounds", "score"),
    [
        ([[1, 1, 1, 1, 0]], TextScore(1, 1, 1)),  # the length point is overwritten
        ([[1, 1, 1, 1]], TextScore(1, 1, 1)),  # and so is the padding in its place
        ([[1, 1, 1, 1, 1, 0, 0]], TextScore(1, 1, 1)),  # too many are cut
        ([[]], TextScore(0, 0, 0)),
        ([[1, 1, 1, 0, 1]], TextScore(0, 1, 0)),
        ([[1, 0, 1, 1, 1]], TextScore(0, 0, 1 / 2)),
        ([[0.5, 1, 1, 1, 1]], TextScore(0, 0, 1 / 2)),  # half to even
        ([[1, 1, 1, 1, 1], [0, 1, 1, 1, 1]], TextScore(0, 0, 1 / 2)),
        ([[2, 0, 1, 1, 1]], TextScore(1, 1, 1)),  # points are only added up
        ([[12, 1, 1, 1, 1]], TextScore(0, 0, 13 / 2)),
        ([[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 1, 1, 1, 1]], TextScore(1, 1, 1)),
    ],
)
def test_the_metrics_of_a_text(rounds: list[list[float]], score: TextScore) -> None:
    assert text_score(rounds, "One sentence.", SKILLS, name_rule=True) == score


def test_a_text_that_is_too_long_or_names_a_skill_loses_points_in_every_round() -> None:
    full = [[1.0] * 5, [1.0] * 5]
    assert text_score(full, "One. Two.", SKILLS, name_rule=True) == TextScore(0, 1, 0)
    assert text_score(full, "Similes abound.", SKILLS, name_rule=True) == TextScore(0, 0, 1 / 2)
    assert text_score(full, "Similes abound.", SKILLS, name_rule=False) == TextScore(1, 1, 1)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published results are not here")
def test_replies_and_texts_are_read_as_the_published_records_say() -> None:
    rows = tables = 0
    for file in PUBLISHED.glob("*/*/graded/*/records.csv"):
        with (file.parents[2] / "records.csv").open(newline="") as lines:
            texts = [row["text_1"] for row in csv.DictReader(lines)]
        with file.open(newline="") as lines:
            for text, row in zip(texts, csv.DictReader(lines), strict=False):
                reply = row["assistant_0"]
                # Some were asked for prose and some for a table; the records do not say which.
                readings = {",".join(map(str, read(reply))) for read in (points_in_order, points_in_prose)}
                assert row["points_0"] in readings
                if "|" in reply:
                    assert ",".join(map(str, points_in_order(reply))) == row["points_0"]
                assert count_sentences(text) == int(row["num_sentences_manual_in_student_answer_0"])
                rows += 1
                tables += "|" in reply
    assert (rows, tables) == (69, 30)
