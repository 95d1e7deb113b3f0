"""From a grader's reply to points by criterion."""

import csv
import json
from pathlib import Path

import pytest

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.graders.parse import ParsedReply, parse_reply
from skillmix_lightning.graders.rubric import Rubric
from skillmix_lightning.prompts import RubricWording

RECORDED = Path(__file__).parents[3] / "shared" / "reference" / "results"


def rubric_of(*skills: str, topic: str = "Sewing") -> Rubric:
    return Rubric.of(Combination("c", "all", skills, topic))


RUBRIC = rubric_of("metaphor", "accident (fallacy)")
ROWS = {
    "Correctly illustrates metaphor": "1",
    "Correctly illustrates accident (fallacy)": "0",
    "Pertains to Sewing": "1",
    "Text makes sense": "1",
    "At most one sentence": "0",
}
POINTS = {"skill:metaphor": 1, "skill:accident (fallacy)": 0, "topic": 1, "sense": 1, "length": 0}
TOTAL = "| Total Points Earned | 3 |"
BEFORE = "Here is the grading table:\n\n| Criteria | Points Earned |\n|---|---|\n"
AFTER = f"\n{TOTAL}\n\nExplanation: It is so."


def lines_of(rows: dict[str, str]) -> list[str]:
    return [f"| {name} | {point} |" for name, point in rows.items()]


def reply_of(*lines: str) -> str:
    return BEFORE + "\n".join(lines) + AFTER


def replaced(**rows: str) -> str:
    """The reply with the row that starts with a word replaced; by nothing if it is empty."""
    lines = []
    for line in lines_of(ROWS):
        given = [row for start, row in rows.items() if line.startswith(f"| {start} ")]
        lines += [row for row in given or [line] if row]
    return reply_of(*lines)


def test_a_table_gives_a_point_for_every_criterion():
    assert parse_reply(reply_of(*lines_of(ROWS)), RUBRIC) == ParsedReply("ok", POINTS, total=3.0)


def test_the_order_of_rows_does_not_matter():
    parsed = parse_reply(reply_of(*reversed(lines_of(ROWS))), RUBRIC)
    assert parsed.points == POINTS
    assert list(parsed.points) == list(RUBRIC.criteria)


@pytest.mark.parametrize(
    "row",
    [
        "| PERTAINS  TO sewing | 1 |",
        "| **Pertains to Sewing** | **1** |",
        "| *Pertains to Sewing* | 1/1 |",
        "| `Pertains to Sewing` | yes |",
        '| "Pertains to Sewing" | ✓ |',
        "| “Pertains to “Sewing”” | one |",
        "| 3. Pertains to Sewing | 1 |",
        "| 3) **Pertains to Sewing:** | 1 |",
        "| 3 | Pertains to Sewing | 1 |",
        "| #3 | Pertains to Sewing | 1 |",
        "Pertains to Sewing | 1",
        "| Pertains to Sewing | 1 (see 2)",
        "> | Pertains to Sewing | 1 |",
        "| Pertains to Sewing (the topic) | 1 |",
        "| topic | 1 |",
        "|Pertains to Sewing|1|\r",
    ],
)
def test_a_row_is_known_by_its_name_however_it_is_written(row):
    assert parse_reply(replaced(Pertains=row), RUBRIC).points == POINTS


@pytest.mark.parametrize(
    ("skill", "name"),
    [
        ("accident (fallacy)", "Correctly illustrates accident"),
        ("accident (fallacy)", "Correctly illustrates accident fallacy"),
        ("accident", "Correctly illustrates accident (fallacy)"),
        ("complex question (loaded question with implicit assumption )", "Correctly illustrates complex question"),
        (
            "complex question (loaded question with implicit assumption )",
            "Correctly illustrates complex/loaded question",
        ),
        ("complex question (loaded)", "Correctly illustrates complex question (loaded )"),
        ("self serving bias", "Correctly illustrates self-serving bias"),
        ("If P, then Q; R", "Correctly illustrates if P, then Q; R"),
        ("a|b", r"Correctly illustrates a\|b"),
        ("a|b", "Correctly illustrates a|b"),
        ("a | b | c", "Correctly illustrates a | b | c"),
        ("Überraschung 🐝", "Correctly illustrates überraschung 🐝"),
    ],
)
def test_brackets_may_be_dropped_or_kept_and_pipes_escaped_or_not(skill, name):
    reply = BEFORE + f"| {name} | 1 |\n| Pertains to Sewing | 0 |\n| Text makes sense | 0 |\n| At most 1 sentence | 0 |"
    parsed = parse_reply(reply, rubric_of(skill))
    assert parsed.points == {f"skill:{skill}": 1, "topic": 0, "sense": 0, "length": 0}


def test_a_name_that_begins_another_is_not_taken_for_it():
    rubric = rubric_of("red herring", "red herring fallacy")
    rest = "\n| Pertains to Sewing | 1 |\n| Text makes sense | 1 |\n| At most one sentence | 1 |"
    both = "| Correctly illustrates red herring fallacy | 1 |\n| Correctly illustrates red herring | 0 |"
    assert parse_reply(BEFORE + both + rest, rubric).points["skill:red herring"] == 0
    one = BEFORE + "| Correctly illustrates red herring | 1 |" + rest
    assert parse_reply(one, rubric).reason == "no row for criterion 'skill:red herring fallacy'"


def test_a_topic_that_begins_like_total_is_no_total():
    rubric = rubric_of("metaphor", topic="Totalitarianism")
    reply = replaced(Pertains="| Pertains to Totalitarianism | 0 |")
    assert parse_reply(reply, rubric).points["topic"] == 0
    assert parse_reply(reply, rubric).total == 3.0


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("| Criteria | Maximum Points | Points Earned |", "1 | {point}"),
        ("| Criteria | Points Earned | Maximum Points |", "{point} | 1"),
        ("| Criteria | Points Earned (out of 1) | Comment |", "{point} | yes, 1 of them"),
        ("| Criterion | Comment | Score |", "no doubt | {point}"),
        ("| Criterion | Possible | Points |", "1 | {point}"),
    ],
)
def test_the_header_says_which_column_holds_the_points(header, cells):
    lines = [f"| {name} | {cells.format(point=point)} |" for name, point in ROWS.items()]
    assert parse_reply("\n".join([header, "|:--|--:|:-:|", *lines]), RUBRIC).points == POINTS


def test_a_column_of_points_to_be_had_is_none_of_points_earned():
    reply = "\n".join(["| Criteria | Maximum Points |", "|---|---|", *(f"| {name} | 1 |" for name in ROWS)])
    parsed = parse_reply(reply, RUBRIC)
    assert parsed.status == "unparsed"
    assert parsed.points == {}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("", "no row for criterion 'topic'"),
        ("| Pertains to sewing | 1 |\n| Pertains to Sewing | 1 |", "2 rows for criterion 'topic'"),
        ("| Pertains to Sewing | 0 |\n| Pertains to Sewing | 1 |", "2 rows for criterion 'topic', and they differ"),
        ("| Pertains to Sewing | N.A. |", "the row for criterion 'topic' says 'N.A.', which is no point"),
        ("| Pertains to Sewing | -1 |", "the row for criterion 'topic' says '-1', which is no point"),
        ("| Pertains to Sewing | 2 |", "the row for criterion 'topic' says '2', which is no point"),
        ("| Pertains to Sewing | 1 (0) |", "the row for criterion 'topic' says '1 (0)', which is no point"),
        ("| Pertains to Sewing |", "the row for criterion 'topic' says nothing, which is no point"),
        ("| Pertains to Knots | 1 |", "no row for criterion 'topic'"),
    ],
)
def test_a_missing_doubled_or_unreadable_row_leaves_the_text_unscored(row, reason):
    parsed = parse_reply(replaced(Pertains=row), RUBRIC)
    assert parsed == ParsedReply("unparsed", {}, reason)


def test_a_row_that_could_mean_two_criteria_means_neither():
    rubric = rubric_of("bank (river)", "bank (money)")
    parsed = parse_reply(replaced(Correctly="| Correctly illustrates bank | 1 |"), rubric)
    assert parsed.status == "unparsed"
    assert "can mean criterion 'skill:bank (river)' or 'skill:bank (money)'" in parsed.reason


def test_without_a_header_cells_that_disagree_are_no_point():
    agreeing = "\n".join(f"| {name} | {point} | {point}/1 |" for name, point in ROWS.items())
    assert parse_reply(agreeing, RUBRIC).points == POINTS
    parsed = parse_reply(agreeing.replace("| 1 | 1/1 |", "| 1 | 0/1 |"), RUBRIC)
    assert parsed.reason.startswith("the row for criterion 'skill:metaphor' says '1' and '0/1', which is no point")


def test_of_several_tables_the_last_whole_one_behind_the_announcement_counts():
    draft = "\n".join(f"| {name} | 1 |" for name in ROWS)
    whole = reply_of(*lines_of(ROWS))
    assert parse_reply(f"{draft}\n\nThat was a draft.\n\n{whole}", RUBRIC).points == POINTS
    assert parse_reply(f"{whole}\n\n| Text makes sense | because it does |", RUBRIC).points == POINTS
    assert parse_reply(f"{BEFORE}{draft}\n\nI have to correct this.\n\n{whole}", RUBRIC).points == POINTS
    missing = parse_reply(f"{draft}\n\nThe criteria are these.\n\n{replaced(Pertains='')}", RUBRIC)
    assert missing.reason == "no row for criterion 'topic'"


def test_a_rubric_split_into_two_tables_is_read_as_one():
    lines = lines_of(ROWS)
    reply = BEFORE + "\n".join(lines[:2]) + "\n\nAnd the others:\n\n" + BEFORE[28:] + "\n".join(lines[2:]) + AFTER
    assert parse_reply(reply, RUBRIC) == ParsedReply("ok", POINTS, total=3.0)


def test_a_cut_reply_is_truncated_only_if_rows_are_missing():
    whole = reply_of(*lines_of(ROWS))
    assert parse_reply(whole[: whole.index("It is so")], RUBRIC, "length").status == "ok"
    for end in range(whole.index("At most") + 22):
        parsed = parse_reply(whole[:end], RUBRIC, "length")
        assert (parsed.status, parsed.points) == ("truncated", {})
    half = whole[: whole.index(" makes sense")]
    assert parse_reply(half, RUBRIC).status == "truncated"  # the server says "stop", but the row shows it
    assert parse_reply(half, RUBRIC).reason == (
        "the reply is cut: no row for criterion 'sense'; no row for criterion 'length'"
    )


def test_a_last_row_that_may_have_lost_digits_is_not_read():
    reply = BEFORE + "\n".join(lines_of(ROWS))
    assert parse_reply(reply.removesuffix(" |"), RUBRIC, "length").status == "truncated"
    assert parse_reply(reply.removesuffix(" |"), RUBRIC, "stop").points == POINTS


@pytest.mark.parametrize(
    ("reply", "finish_reason", "status"),
    [
        ("I'm sorry, but I can't help with grading this text.", "stop", "refused"),
        ("I cannot assist with that request.", "stop", "refused"),
        ("I am unable to evaluate this content.", "stop", "refused"),
        (reply_of(*lines_of(ROWS)), "content_filter", "refused"),
        ("", "content_filter", "refused"),
        ("", "stop", "unparsed"),
        ("", "length", "truncated"),
        ("Correctly illustrates metaphor: 1\nPoint earned: 1\nGrade: 5", "stop", "unparsed"),
        ("Unfortunately, you gave no rubric. However I can evaluate the answer. Point earned: 1", "stop", "unparsed"),
        ("1. Correctly illustrates metaphor:\nPoint earned: 1\n2. Correctly", "length", "truncated"),
        ("I'm sorry to say the text is poor.\n\n" + reply_of(*lines_of(ROWS)), "stop", "ok"),
        ("| 1 | 1 | 1 | 1 | 1 |", "stop", "unparsed"),
    ],
)
def test_a_reply_without_points_is_never_a_number(reply, finish_reason, status):
    parsed = parse_reply(reply, RUBRIC, finish_reason)
    assert parsed.status == status
    assert parsed.points == (POINTS if status == "ok" else {})
    assert bool(parsed.reason) == (status != "ok")


BY_LABEL = {name: int(point) for name, point in ROWS.items()}


@pytest.mark.parametrize(
    "verdict",
    [
        POINTS,
        BY_LABEL,
        {"criteria": POINTS, "total": 3},
        {"grading": {"rows": BY_LABEL}},
        {name: {"points": point, "reason": "So."} for name, point in POINTS.items()},
        [{"criterion": name, "points": point} for name, point in BY_LABEL.items()],
        {"criteria": [{"criterion": name, "points_earned": f"{point}/1"} for name, point in POINTS.items()]},
        {name: bool(point) for name, point in POINTS.items()},
    ],
)
def test_json_verdicts_are_read_by_id_or_label(verdict):
    bare = json.dumps(verdict)
    assert parse_reply(bare, RUBRIC).points == POINTS
    assert parse_reply(f"Here:\n```json\n{json.dumps(verdict, indent=2)}\n```\nDone.", RUBRIC).points == POINTS
    assert parse_reply(bare, RUBRIC).total == (3.0 if "total" in verdict else None)


def test_a_json_verdict_that_lacks_doubles_or_breaks_off_is_unscored():
    without = {key: point for key, point in POINTS.items() if key != "topic"}
    assert parse_reply(json.dumps(without), RUBRIC).reason == "no row for criterion 'topic'"
    doubled = json.dumps(POINTS).replace('"topic": 1', '"topic": 1, "topic": 0')
    assert parse_reply(doubled, RUBRIC).reason == "2 rows for criterion 'topic', and they differ"
    assert parse_reply(json.dumps(POINTS)[:-9], RUBRIC).status == "truncated"
    null = json.dumps({**POINTS, "topic": None})
    assert parse_reply(null, RUBRIC).reason == "the row for criterion 'topic' says 'None', which is no point"


def test_a_skill_called_length_is_told_from_the_length():
    rubric = rubric_of("length")
    verdict = {"skill:length": 0, "topic": 1, "sense": 1, "length": 1}
    assert parse_reply(json.dumps(verdict), rubric).points == verdict


def test_other_wordings_are_matched_as_worded():
    rubric = Rubric.of(Combination("c", "all", ("metaphor",), "Sewing"), RubricWording(skill="Contains {skill}"))
    reply = reply_of("| Contains metaphor | 0.5 |", *lines_of(ROWS)[2:])
    assert parse_reply(reply, rubric).points["skill:metaphor"] == 0.5


@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded results of the reference implementation")
def test_of_the_recorded_replies_every_table_parses_and_no_other_is_a_number():
    seen = {"ok": 0, "unparsed": 0}
    for path in RECORDED.glob("*/*/graded/*/records.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            skills = [name.strip() for name in row["skills"].split(",")]
            parsed = parse_reply(row["assistant_0"], rubric_of(*skills, topic=row["topic"]))
            seen[parsed.status] += 1
            if "Here's the grading table:" in row["assistant_0"]:
                assert list(parsed.points.values()) == [float(point) for point in row["points_0"].split(",")]
                assert parsed.total == float(row["score_0"])
            else:
                assert (parsed.status, parsed.points) == ("unparsed", {})
    assert seen == {"ok": 30, "unparsed": 39}
