"""Writers of figures: whatever they write shows the figure, alone and in company, in clean English words."""

import random
from functools import cache
from itertools import pairwise

import inflect
import pytest
from wordfreq import zipf_frequency

from skillmix_lightning.catalogue import Topic, TopicWords, load_catalogue
from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.naming import names_skill
from skillmix_lightning.graders.sense import sense_problems
from skillmix_lightning.graders.text import parse, words_of
from skillmix_lightning.graders.topic import topic_problems
from skillmix_lightning.students.template import WRITERS
from skillmix_lightning.students.template.patterns import fill
from skillmix_lightning.students.template.words import Words

CATALOGUE = load_catalogue("verifiable")
FIGURES = [skill for skill in CATALOGUE.skills if skill.split == "train"]
SEEDS = range(200)
NEUTRAL = "Mr. Hall sold the garage in March"
BEEKEEPING = Topic(
    name="Beekeeping",
    split="train",
    words=TopicWords(
        people=("beekeeper", "farmer", "helper"),
        things=("hive", "frame", "veil", "comb", "smoker", "swarm"),
        stuff=("honey", "wax"),
        places=("apiary", "meadow"),
    ),
)
TOPICS = (BEEKEEPING, *CATALOGUE.topics[::9])

figures = pytest.mark.parametrize("skill", FIGURES, ids=lambda skill: skill.name)


@cache
def fragments(name: str) -> list[tuple[Topic, str]]:
    """One fragment a seed, the topics by turns."""
    return [
        (topic, WRITERS[name](Words(topic, random.Random(seed))))
        for seed in SEEDS
        for topic in [TOPICS[seed % len(TOPICS)]]
    ]


def closed(text: str) -> str:
    """As a sentence."""
    return text[0].upper() + text[1:] + ("" if text[-1] in "?!" else ".")


def test_every_training_skill_has_a_checker_and_a_writer():
    names = {skill.name for skill in FIGURES}
    assert len(names) >= 26
    assert names <= CHECKERS.keys() & WRITERS.keys()


@figures
def test_the_example_shows_the_skill_and_does_not_name_it(skill):
    example = parse(skill.example)
    assert CHECKERS[skill.name](example)
    assert not names_skill(example, skill.name)
    assert len(example.sentences) <= 2


@figures
def test_a_fragment_shows_its_figure_alone_and_between_others(skill):
    check = CHECKERS[skill.name]
    for _, fragment in fragments(skill.name):
        alone = parse(closed(fragment))
        assert check(alone), fragment
        assert len(alone.sentences) == 1, fragment
        assert check(parse(f"{NEUTRAL}; {closed(fragment)}")), fragment
        if fragment[-1] not in "?!":
            assert check(parse(f"{closed(fragment)[:-1]}; {NEUTRAL}.")), fragment
            assert check(parse(f"{NEUTRAL}; {fragment}; {NEUTRAL.lower()}.")), fragment


@figures
def test_no_fragment_names_a_skill(skill):
    text = parse("\n".join(closed(fragment) for _, fragment in fragments(skill.name)))
    assert [other.name for other in CATALOGUE.skills if names_skill(text, other.name)] == []


@figures
def test_a_fragment_makes_sense_on_its_topic(skill):
    for topic, fragment in fragments(skill.name):
        text = parse(closed(fragment))
        assert not sense_problems(text, topic, skill.repeats), fragment
        assert not topic_problems(text, topic), fragment


@figures
def test_a_fragment_is_set_cleanly(skill):
    for _, fragment in fragments(skill.name):
        assert fragment == " ".join(fragment.split())
        assert "{" not in fragment
        assert fragment[0].islower() or fragment.startswith(("I ", "O "))
        assert "." not in fragment
        assert 5 <= len(words_of(fragment)) <= 25
        assert all(zipf_frequency(word, "en") > 0 for word in words_of(fragment)), fragment


@figures
def test_a_and_an_are_right(skill):
    engine = inflect.engine()
    for _, fragment in fragments(skill.name):
        words = fragment.split()
        for article, word in pairwise(words):
            if article in ("a", "an"):
                assert engine.a(word).split()[0] == article, fragment


@figures
def test_fragments_are_many(skill):
    one_topic = {WRITERS[skill.name](Words(BEEKEEPING, random.Random(seed))) for seed in SEEDS}
    assert len(one_topic) >= 60
    assert len({fragment for _, fragment in fragments(skill.name)}) >= 100


@figures
def test_a_fragment_is_decided_by_its_seed(skill):
    once, again = (WRITERS[skill.name](Words(BEEKEEPING, random.Random(7))) for _ in range(2))
    assert once == again


def test_pairs_that_each_close_a_sentence_are_incompatible():
    closing = {skill.name for skill in FIGURES if fragments(skill.name)[0][1][-1] in "?!"}
    assert closing == {"rhetorical question", "ecphonesis", "optatio"}
    pairs = CATALOGUE.incompatible_pairs
    assert all(frozenset({a, b}) in pairs for a in closing for b in closing if a != b)


def test_a_digit_brings_a_noun_back_in_every_form():
    for seed in range(20):
        written = fill(Words(BEEKEEPING, random.Random(seed)), ("{thing1} {things1} {a_thing1} {thing}",))
        noun, plural, article, again, other = written.split()
        assert again == noun != other
        assert plural == noun + "s"
        assert article == "a"


def test_a_bank_is_drawn_without_repeats_and_may_hold_fields():
    written = fill(Words(BEEKEEPING, random.Random(0)), ("{x} {x} {x}",), x=("red", "blue", "{stuff}"))
    assert {"red", "blue"} < set(written.split())
    assert set(written.split()) & {"honey", "wax"}
