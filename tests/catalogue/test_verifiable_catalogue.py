"""The built-in catalogue keeps its promises: size, splits, examples that its own checkers accept."""

from collections import Counter

import pytest

from skillmix_lightning.catalogue import (
    TRAINING_CATEGORIES,
    Skill,
    draw_combinations,
    incompatible_in,
    lexicon,
    load_catalogue,
)
from skillmix_lightning.catalogue.load import HERE
from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.naming import names_skill
from skillmix_lightning.graders.text import parse

CATALOGUE = load_catalogue("verifiable")
each_skill = pytest.mark.parametrize("skill", CATALOGUE.skills, ids=lambda skill: skill.name)


def test_there_are_enough_skills_and_the_split_is_by_category() -> None:
    training, held_out = CATALOGUE.split_skills("train"), CATALOGUE.split_skills("held_out")
    assert len(training) >= 24
    assert {skill.category for skill in training} == TRAINING_CATEGORIES == {"literary", "rhetorical"}
    assert len(held_out) >= 16
    assert len({skill.category for skill in held_out}) >= 3
    assert len(CATALOGUE.split_skills("all")) == len(training) + len(held_out)


def test_there_are_enough_topics_and_all_have_words() -> None:
    splits = Counter(topic.split for topic in CATALOGUE.topics)
    assert splits["train"] >= 20
    assert splits["held_out"] >= 20
    assert [topic.name for topic in CATALOGUE.topics if topic.words is None] == []


@each_skill
def test_each_skill_has_a_form_of_a_few_words_that_does_not_name_it(skill: Skill) -> None:
    assert 1 <= len(skill.form.split()) <= 20
    assert not names_skill(parse(skill.form), skill.name)


def test_skills_and_checkers_are_the_same_set() -> None:
    assert set(CHECKERS) == {skill.name for skill in CATALOGUE.skills}


@each_skill
def test_an_example_shows_its_skill_without_naming_it_in_at_most_two_sentences(skill: Skill) -> None:
    text = parse(skill.example)
    assert CHECKERS[skill.name](text)
    assert not names_skill(text, skill.name)
    assert 1 <= len(text.sentences) <= 2


@each_skill
def test_a_definition_is_one_short_sentence(skill: Skill) -> None:
    definition = parse(skill.definition)
    assert len(definition.sentences) == 1
    assert definition.sentences[0].end == "."
    assert len(definition.words) <= 30


@pytest.mark.parametrize("split", ["train", "held_out", "all"])
@pytest.mark.parametrize("k", range(1, 6))
def test_every_k_up_to_five_can_be_drawn_and_holds_no_incompatible_pair(split: str, k: int) -> None:
    drawn = draw_combinations(CATALOGUE, split, k, 100)
    assert len({combination.id for combination in drawn}) == 100
    assert [c.skills for c in drawn if incompatible_in(CATALOGUE, c.skills)] == []


def test_incompatible_skills_are_drawn_when_asked_for() -> None:
    drawn = draw_combinations(CATALOGUE, "all", 5, 300, allow_incompatible=True)
    assert any(incompatible_in(CATALOGUE, combination.skills) for combination in drawn)


def test_every_word_list_can_be_read() -> None:
    names = sorted(file.stem for file in (HERE / "verifiable" / "lexicons").glob("*.yaml"))
    assert names
    assert [name for name in names if not lexicon(name)] == []
