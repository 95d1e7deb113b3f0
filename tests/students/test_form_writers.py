"""Every writer of a form of reasoning, on many seeds and topics, against the form's own checker."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest
from wordfreq import zipf_frequency

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.text import parse, words_of
from skillmix_lightning.students.template import WRITERS, Words
from skillmix_lightning.students.template.words import plural, with_article

SEEDS = 200
FORMS = tuple(skill.name for skill in load_catalogue().split_skills("held_out"))
TOPICS = load_catalogue().topics
BEFORE, AFTER = "the market was quiet", "nobody sang that day"


@cache
def written(form: str) -> tuple[tuple[str, str], ...]:
    """(topic, fragment) for every seed; seed after seed goes through the topics."""
    topics = [TOPICS[seed % len(TOPICS)] for seed in range(SEEDS)]
    return tuple((topic.name, WRITERS[form](Words(topic, random.Random(i)))) for i, topic in enumerate(topics))


def nouns_of(topic: str) -> Iterator[str]:
    words = load_catalogue().topic(topic).words
    assert words is not None
    for noun in words.people + words.things + words.stuff + words.places:
        yield from (noun, plural(noun))


@pytest.mark.parametrize("form", FORMS)
def test_a_fragment_passes_alone_and_between_others(form: str) -> None:
    for _, fragment in written(form):
        alone = f"{fragment[0].upper()}{fragment[1:]}."
        between = f"{BEFORE.capitalize()}; {fragment}; {AFTER}."
        assert CHECKERS[form](parse(alone)), alone
        assert CHECKERS[form](parse(between)), between
        assert len(parse(alone).sentences) == len(parse(between).sentences) == 1, alone


@pytest.mark.parametrize("form", FORMS)
def test_fragments_differ_and_are_short(form: str) -> None:
    fragments = [fragment for _, fragment in written(form)]
    assert len(set(fragments)) >= 0.9 * SEEDS
    assert max(len(fragment.split()) for fragment in fragments) <= 36


@pytest.mark.parametrize("form", FORMS)
def test_fragments_are_english(form: str) -> None:
    for topic, fragment in written(form):
        assert [word for word in words_of(fragment) if zipf_frequency(word, "en") == 0] == []
        assert not fragment.endswith((".", "?", "!"))
        assert not set(words_of(fragment)).isdisjoint(nouns_of(topic)), fragment
        assert form not in fragment
        for article, noun in re.findall(r"\b(an?) (\w+)", fragment):
            assert with_article(noun) == f"{article} {noun}", fragment


@pytest.mark.parametrize("form", FORMS)
def test_a_form_explains_exactly_its_own_repetitions(form: str) -> None:
    most = 0
    for _, fragment in written(form):
        text = parse(f"{fragment}.")
        clauses = Counter(clause.words for clause in text.sentences[0].clauses)
        runs = Counter(zip(text.words, text.words[1:], text.words[2:], strict=False))
        most = max(most, max(runs.values()) - 1, max(clauses.values()) - 1)
    assert most == load_catalogue().skill(form).repeats
