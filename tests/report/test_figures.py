from dataclasses import replace

import numpy as np
import pytest
from records import composition, grade

from skillmix_lightning.report.figures import can_draw, learning_curves, skill_bars
from skillmix_lightning.report.skills import SkillPoints, skill_points, verdicts
from skillmix_lightning.scoring import score

drawn = pytest.mark.skipif(not can_draw(), reason="matplotlib is not installed")


def scores_with(*earned, split="held_out"):
    texts = [composition(f"{split}{n}", split=split) for n in range(len(earned))]
    return score(texts, [grade(text, points) for text, points in zip(texts, earned, strict=True)])


@drawn
def test_learning_curves_are_an_image_with_a_column_per_split():
    one = learning_curves({0: scores_with("00 111"), 40: scores_with("11 111")})
    assert (one.dtype, one.ndim, one.shape[2]) == (np.uint8, 3, 3)
    both = learning_curves({0: [*scores_with("00 111", split="train"), *scores_with("00 111")]})
    assert both.shape[1] == pytest.approx(2 * one.shape[1], abs=2)


@drawn
def test_the_same_scores_give_the_same_image_and_others_another():
    history = {0: scores_with("00 111", "11 111"), 40: scores_with("11 111", "11 111")}
    assert np.array_equal(learning_curves(history), learning_curves(history))
    assert not np.array_equal(learning_curves(history), learning_curves({**history, 40: scores_with("00 111")}))


@drawn
def test_an_evaluation_without_scores_leaves_a_gap():
    (row,) = scores_with("11 111")
    none = dict.fromkeys(("full_marks", "all_skills", "skill_fraction"))
    unscored = replace(row, **none, ci95=none, std_error=none)
    learning_curves({0: [row], 5: [unscored], 9: [], 12: [row]})


@drawn
def test_skill_bars_grow_with_the_number_of_skills():
    few = [SkillPoints("train", f"skill {n}", n, 4) for n in range(3)]
    many = [SkillPoints("train", f"skill {n}", n % 5, 4) for n in range(53)]
    assert skill_bars(many).shape[0] > skill_bars(few).shape[0]
    assert not np.array_equal(skill_bars(few), skill_bars(few, before=few[:1]))


def test_a_skill_has_a_point_where_the_vote_gives_it_one():
    texts = [composition("a"), composition("b", skills=["simile"]), composition("c", split="held_out")]
    first, second, third = texts
    grades = [grade(first, "10 111"), grade(first, "10 111", 1), grade(first, "11 111", 2), grade(second, "1 111")]
    points = skill_points(texts, verdicts(texts, [*grades, grade(third, "", status="unparsed")]))
    assert points == [SkillPoints("train", "metaphor", 1, 1), SkillPoints("train", "simile", 1, 2)]
    assert [each.share for each in points] == [1.0, 0.5]


def test_a_skill_that_its_text_names_has_no_point():
    text = composition(text="A simile is like a metaphor.")
    assert {each.earned for each in skill_points([text], verdicts([text], [grade(text, "11 111")]))} == {0}


def test_a_round_that_was_asked_for_again_counts_as_it_was_last():
    text = composition()
    verdict = verdicts([text], [grade(text, "00 111"), grade(text, "11 111")])["c0", 0]
    assert verdict == {"skill:metaphor": 1, "skill:simile": 1, "topic": 1, "sense": 1, "length": 1}
