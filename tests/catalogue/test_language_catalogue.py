"""The language catalogue keeps its promises: the paper's shape, the public names, entries that a grader can apply."""

from collections import Counter
from itertools import combinations

import pytest
from wordfreq import zipf_frequency

from skillmix_lightning.catalogue import Skill, lexicon, load_catalogue
from skillmix_lightning.graders.naming import names_skill
from skillmix_lightning.graders.text import forms, parse, words_of

CATALOGUE = load_catalogue("language")
each_skill = pytest.mark.parametrize("skill", CATALOGUE.skills, ids=lambda skill: skill.name)

#: Published with arXiv 2310.17567, or named in the examples of arXiv 2409.19808 and in the reference implementation.
PUBLIC_TRAINING_SKILLS = {
    *("accident (fallacy)", "complex question (loaded question with implicit assumption)", "red herring", "metaphor"),
    *("false dichotomy", "tu quoque", "equivocation", "ad hominem", "fallacy of division", "aphorism", "hyperbole"),
}
PUBLIC_HELD_OUT_SKILLS = {
    *("self serving bias", "spatial reasoning", "modus ponens", "statistical syllogism", "emotional self regulation"),
    *("folk physics (common knowledge physics)", "availability bias", "visualization", "actor observer bias"),
    *("categorical syllogism", "self motivation"),
}
PUBLIC_TOPICS = {
    *("Sewing", "Dueling", "The Ottoman Empire", "Urbanism", "Beekeeping", "Survivalism", "Guerilla warfare"),
    *("Triathlons", "Gardening", "Knots", "Japan", "Plumbers"),
}

#: Of the content words of two definitions, at most this share may be common to both. The most alike are the
#: siblings alliteration and assonance with 0.38, anaphora and epistrophe with 0.36.
MOST_ALIKE = 0.5


def content_words(definition: str) -> frozenset[str]:
    little = {word for words in lexicon("function_words").values() for word in words}
    return frozenset(min(forms(word)) for word in words_of(definition) if word not in little)


def test_the_categories_and_splits_have_the_papers_sizes() -> None:
    assert Counter(skill.category for skill in CATALOGUE.skills) == {
        "literary": 26,
        "rhetorical": 27,
        "reasoning": 9,
        "logic": 8,
        "theory of mind": 8,
        "pragmatics": 8,
        "common sense": 8,
        "physical knowledge": 7,
    }
    assert {split: len(CATALOGUE.split_skills(split)) for split in ("train", "held_out", "all")} == {
        "train": 53,
        "held_out": 48,
        "all": 101,
    }
    assert Counter(topic.split for topic in CATALOGUE.topics) == {"train": 50, "held_out": 50}


def test_the_public_skills_are_there_and_in_the_papers_split() -> None:
    assert {skill.name for skill in CATALOGUE.split_skills("train")} >= PUBLIC_TRAINING_SKILLS
    assert {skill.name for skill in CATALOGUE.split_skills("held_out")} >= PUBLIC_HELD_OUT_SKILLS


def test_the_public_topics_are_there() -> None:
    assert {topic.name for topic in CATALOGUE.topics} >= PUBLIC_TOPICS


def test_seventeen_skills_are_common_in_both_splits() -> None:
    common = Counter(skill.split for skill in CATALOGUE.skills if skill.common)
    assert common == {"train": 9, "held_out": 8}


def test_every_category_keeps_a_skill_without_the_common_ones() -> None:
    uncommon = {skill.category for skill in CATALOGUE.skills if not skill.common}
    assert uncommon == {skill.category for skill in CATALOGUE.skills}


def test_names_definitions_and_examples_are_unique() -> None:
    skills = CATALOGUE.skills
    assert len({skill.name.casefold() for skill in skills}) == 101
    assert len({skill.definition.casefold() for skill in skills}) == 101
    assert len({skill.example.casefold() for skill in skills}) == 101
    assert len({topic.name.casefold() for topic in CATALOGUE.topics}) == 100


def test_no_topic_holds_the_words_of_another() -> None:
    words = {topic.name: {min(forms(word)) for word in words_of(topic.name)} for topic in CATALOGUE.topics}
    assert [(a, b) for a, b in combinations(words, 2) if words[a] <= words[b] or words[b] <= words[a]] == []


def test_no_two_definitions_share_most_of_their_content_words() -> None:
    words = {skill.name: content_words(skill.definition) for skill in CATALOGUE.skills}
    alike = {(a, b): len(words[a] & words[b]) / len(words[a] | words[b]) for a, b in combinations(words, 2)}
    assert {pair: share for pair, share in alike.items() if share > MOST_ALIKE} == {}


@each_skill
def test_a_name_is_in_lower_case_without_stray_blanks(skill: Skill) -> None:
    assert skill.name == " ".join(skill.name.lower().split())
    assert "( " not in skill.name
    assert " )" not in skill.name


@each_skill
def test_a_definition_is_one_short_sentence_that_does_not_name_its_skill(skill: Skill) -> None:
    definition = parse(skill.definition)
    assert len(definition.sentences) == 1
    assert definition.sentences[0].end == "."
    assert 6 <= len(definition.words) <= 27
    assert not names_skill(definition, skill.name)


@each_skill
def test_an_example_names_no_skill_in_at_most_two_sentences(skill: Skill) -> None:
    example = parse(skill.example)
    assert 1 <= len(example.sentences) <= 2
    assert all(sentence.end for sentence in example.sentences)
    assert len(example.words) <= 32
    assert [other.name for other in CATALOGUE.skills if names_skill(example, other.name)] == []


@each_skill
def test_definition_and_example_are_spelled_with_known_words(skill: Skill) -> None:
    words = words_of(f"{skill.definition} {skill.example}")
    assert [word for word in words if zipf_frequency(word, "en") == 0] == []
