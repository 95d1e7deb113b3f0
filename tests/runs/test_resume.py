from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import composition, grade

from skillmix_lightning.runs.resume import differences, missing_requests, missing_rounds
from skillmix_lightning.students.base import Request

TEXTS = [composition("c0"), composition("c0", generation=1), composition("c1")]
ROUNDS = [(text, grading) for text in TEXTS for grading in range(3)]


def graded(text, grading: int, status: str = "ok"):
    return grade(text, "11 111" if status == "ok" else "", grading, status)


def key(text, grading: int) -> tuple[str, int, int]:
    return text.combination.id, text.generation, grading


@given(done=st.lists(st.sampled_from(range(9)), max_size=12))
def test_what_is_missing_is_what_is_not_on_record_whatever_its_order_and_number(done: list[int]) -> None:
    grades = [graded(*ROUNDS[n]) for n in done]
    missing = missing_rounds(TEXTS, grades, "judge", 3)
    assert missing == [each for n, each in enumerate(ROUNDS) if n not in done]
    requests = [Request(text.combination, text.generation, ("Write.",)) for text in TEXTS]
    written = [TEXTS[n % 3] for n in done]
    assert missing_requests(requests, written) == [r for n, r in enumerate(requests) if TEXTS[n] not in written]


@pytest.mark.parametrize(
    ("status", "by_default", "if_unscored"),
    [("ok", 0, 0), ("error", 1, 1), ("unparsed", 0, 1), ("refused", 0, 1), ("truncated", 0, 1)],
)
def test_rounds_that_no_grader_saw_are_asked_again_and_unscored_ones_on_demand(status, by_default, if_unscored) -> None:
    grades = [graded(TEXTS[0], 0, status)]
    assert len(missing_rounds(TEXTS[:1], grades, "judge", 1)) == by_default
    assert len(missing_rounds(TEXTS[:1], grades, "judge", 1, "unscored")) == if_unscored


def test_of_a_round_that_is_there_twice_the_last_counts() -> None:
    failed, passed = graded(TEXTS[0], 0, "error"), graded(TEXTS[0], 0)
    assert missing_rounds(TEXTS[:1], [failed, passed], "judge", 1) == []
    assert missing_rounds(TEXTS[:1], [passed, failed], "judge", 1) == [(TEXTS[0], 0)]


def test_another_grader_s_rounds_do_not_count() -> None:
    assert missing_rounds(TEXTS[:1], [replace(graded(TEXTS[0], 0), grader="other")], "judge", 1) == [(TEXTS[0], 0)]


def test_differences_are_nested_and_shown_with_both_values() -> None:
    old = {"plan": {"ks": [1, 2], "seed": 0}, "student": {"class": "A", "settings": {"model": "x"}}, "gone": True}
    asked = {"plan": {"ks": (1, 2), "seed": 1}, "student": {"class": "B", "settings": {"model": "y" * 80}}, "new": None}
    assert differences(old, asked) == [
        "plan.seed: 0 → 1",
        'student.class: "A" → "B"',
        'student.settings.model: "x" → "' + "y" * 58 + "…",
        "new: (none) → null",
        "gone: true → (none)",
    ]
    assert differences(old, old) == []
