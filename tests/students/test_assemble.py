"""How fragments become sentences."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.graders.text import parse
from skillmix_lightning.students.template.assemble import assemble, sentence_of


def test_fragments_share_a_sentence_by_semicolons():
    assert sentence_of(["the hive is old", "who keeps it?"]) == "The hive is old; who keeps it?"
    assert sentence_of(["“the hive,” he said"]) == "“The hive,” he said."


FRAGMENTS = st.lists(
    st.sampled_from(["the hive is old", "bees fly", "honey is sweet", "who is it?", "oh, the wax!", "Anna left early"]),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(FRAGMENTS, st.integers(1, 6), st.integers(0, 1000))
def test_every_fragment_stands_whole_within_the_limit_and_marks_stay_last(fragments, limit, seed):
    closing = [fragment for fragment in fragments if fragment[-1] in "?!"]
    if len(closing) > limit:
        with pytest.raises(ValueError, match="must each close a sentence"):
            assemble(fragments, limit, random.Random(seed))
        return
    text = assemble(fragments, limit, random.Random(seed))
    assert 1 <= len(parse(text).sentences) <= min(limit, len(fragments))
    assert all(fragment.lower() in text.lower() for fragment in fragments)
    for sentence in parse(text).sentences:
        assert not set(sentence.raw[:-1]) & set(".?!")
        assert sentence.raw[0].isupper()
        assert sentence.end
