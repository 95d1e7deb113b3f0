from dataclasses import replace

import numpy as np
import pytest
from records import composition, grade

from skillmix_lightning.graders.base import Grade
from skillmix_lightning.scoring.comparable import RunRecords
from skillmix_lightning.scoring.comparison import sign_flip_p
from skillmix_lightning.scoring.drift import Drift, drift

#: One text's rounds: their points in the rubric's order, or the status of a round without.
Rounds = list[str]
CHECKS = 200
FULL, OFF_TOPIC, NO_SIMILE = "11 111", "11 011", "10 111"


def records(texts: list[Rounds]) -> RunRecords:
    written = [composition(f"c{number}") for number in range(len(texts))]
    grades: list[Grade] = []
    for text, rounds in zip(written, texts, strict=True):
        for number, said in enumerate(rounds):
            status = "ok" if said[0] in "01" else said
            grades.append(grade(text, said if status == "ok" else "", number, status))
    return RunRecords("run", {}, written, grades, None)


def rows(frozen: list[Rounds], now: list[Rounds]) -> dict[str, Drift]:
    return {row.criterion: row for row in drift(records(frozen), records(now))}


def test_the_same_grades_are_no_drift() -> None:
    same = [[FULL] * 3] * 10 + [[OFF_TOPIC] * 3] * 10
    for row in rows(same, same).values():
        assert (row.texts, row.up, row.down, row.p_shift, row.p_holm) == (20, 0, 0, 1, 1)
        assert not row.found(0.5)


def test_a_criterion_that_moved_is_named_and_so_are_full_marks() -> None:
    found = rows([[FULL] * 3] * 20, [[OFF_TOPIC] * 3] * 8 + [[FULL] * 3] * 12)
    assert [name for name, row in found.items() if row.found(0.01)] == ["topic", "full_marks"]
    topic = found["topic"]
    assert (topic.frozen, topic.now, topic.up, topic.down) == (1, 0.6, 0, 8)
    assert (topic.own, topic.across) == (0, 0.4)
    # Of the 20 ways to call three of six rounds new, one has all points on the one side, and one on the other.
    assert topic.p_shift == pytest.approx(2 * 0.05**8)
    assert topic.p_flips == pytest.approx(0.1**8)


def test_points_that_turned_to_both_sides_are_flips_and_no_shift() -> None:
    up, down = ([OFF_TOPIC] * 2, [FULL] * 2), ([FULL] * 2, [OFF_TOPIC] * 2)
    frozen, now = zip(*[up, down] * 6, strict=True)
    topic = rows(list(frozen), list(now))["topic"]
    assert (topic.frozen, topic.now, topic.up, topic.down) == (0.5, 0.5, 6, 6)
    assert topic.p_shift == pytest.approx(1)
    assert topic.p_flips == pytest.approx((2 / 6) ** 12)
    assert topic.found(0.01)


def test_a_grader_that_differs_from_itself_as_much_is_no_drift() -> None:
    noisy = [[FULL, OFF_TOPIC, FULL], [OFF_TOPIC, FULL, OFF_TOPIC]] * 20
    topic = rows(noisy, noisy[1:] + noisy[:1])["topic"]
    assert topic.up == topic.down == 20
    assert topic.own == pytest.approx(2 / 3)
    assert topic.p_flips is not None
    assert topic.p_flips > 0.05


def test_with_one_round_of_each_the_test_is_mcnemars_and_noise_is_unknown() -> None:
    found = rows([[FULL]] * 20, [[NO_SIMILE]] * 9 + [[FULL]] * 11)
    skills = found["skills"]
    assert (skills.frozen, skills.now, skills.own, skills.p_flips) == (1, 0.775, None, None)
    assert skills.p_shift == pytest.approx(sign_flip_p([-1.0] * 9 + [0.0] * 11))


def test_a_round_without_points_does_not_vote_and_more_of_them_are_a_finding_of_their_own() -> None:
    found = rows([[FULL] * 2] * 12, [["refused", FULL]] * 10 + [["refused"] * 2] * 2)
    assert [name for name, row in found.items() if row.found(0.01)] == ["graded"]
    graded = found["graded"]
    assert (graded.texts, graded.frozen, graded.now, graded.p_flips) == (12, 1, pytest.approx(10 / 24), None)
    assert (found["topic"].texts, found["topic"].p_shift) == (10, 1)


def test_a_server_that_was_not_reached_says_nothing_of_the_grader() -> None:
    assert rows([[FULL] * 2] * 12, [["error", FULL]] * 12)["graded"].now == 1


def test_of_a_round_recorded_twice_the_last_counts() -> None:
    frozen, now = records([[FULL]]), records([[FULL]])
    again = replace(now, grades=[*now.grades, grade(now.compositions[0], OFF_TOPIC)])
    assert {row.criterion: row.now for row in drift(frozen, again)}["topic"] == 0


def test_without_a_text_in_both_nothing_is_said() -> None:
    for row in rows([["refused"]], [["error"]]).values():
        assert (row.texts, row.frozen, row.p_holm) == (0, None, None)
        assert not row.found(0.5)


def test_false_alarms_are_no_more_frequent_than_the_level() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(CHECKS):
        sides = []
        ease = rng.random((20, 1, 5))
        for _ in range(2):
            points = (rng.random((20, 3, 5)) < np.round(ease, 1)).astype(int)
            sides.append([["".join(map(str, row)) for row in text] for text in points])
        alarms += any(row.found(0.05) for row in rows(*sides).values())
    assert alarms <= CHECKS * 0.05 + 2 * (CHECKS * 0.05 * 0.95) ** 0.5


def test_a_real_change_of_a_noisy_grader_is_found() -> None:
    rng = np.random.default_rng(1)
    ease = rng.random((60, 1, 5)) * 0.3 + 0.7
    stricter = ease - np.array([0, 0, 0.35, 0, 0])
    sides = [
        [["".join(map(str, row)) for row in text] for text in (rng.random((60, 3, 5)) < chances).astype(int)]
        for chances in (ease, stricter)
    ]
    found = rows(*sides)
    assert found["topic"].found(0.01)
    assert not any(found[name].found(0.01) for name in ("skills", "sense", "length", "graded"))
