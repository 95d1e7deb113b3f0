"""The sense criterion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.catalogue import Topic, TopicWords
from skillmix_lightning.graders.sense import sense_problems
from skillmix_lightning.graders.text import parse

TOPIC = Topic(
    name="Quxology",
    split="train",
    words=TopicWords(
        people=("quxologist", "master", "novice"),
        things=("hive", "frame", "smoker", "jar", "lid", "box"),
        stuff=("honey", "wax"),
        places=("apiary", "garden"),
    ),
)


def problems(raw, repeats=0):
    return sense_problems(parse(raw), TOPIC, repeats)


@pytest.mark.parametrize(
    "raw",
    [
        "The old hive is dry.",
        "Honey, honey, honey is here.",
        "“The hive is old,” said Dr. J. Smith.",
        "The hive (an old box) is dry!",
        '"Is the hive old?"',
        "The quxologist loves Quxology well.",
        "In 1999 we took 3.5 kg at 10:30.",
        "An old-fashioned, well-kept hive isn't Anna's.",
        "12 bees left the hive.",
        "- The hive is old.",
        "The hive is old… Wait for it…",
        "The hive is old\nThe frame is dry.",
        "He said: “The hive is old. It is lost.”",
        "The bees’ hive and the ‘old’ frame.",
        "The hive at 5 p.m. is dry, e.g. today.",
        "The hive stands near the barn, and the smoker fell near the barn.",
    ],
)
def test_plain_english_makes_sense(raw):
    assert problems(raw) == []


@pytest.mark.parametrize(
    ("raw", "reasons"),
    [
        ("", ["0 words, at least 4 needed"]),
        ("It is old.", ["3 words, at least 4 needed"]),
        ("The hxqzt is old and zqxv.", ["unknown words: hxqzt, zqxv"]),
        ("The old-hxqzt hive is dry.", ["unknown words: old-hxqzt"]),
        ("The hive (an old box is dry.", ["( is never closed"]),
        ("The hive an old box) is dry.", [") closes nothing"]),
        ("The hive (an old] box is dry.", ["] closes nothing"]),
        ("“The hive is old, he said.", ["“ is never closed"]),
        ("The hive is old,” he said.", ["” closes nothing"]),
        ('"The hive is old, he said.', ['an odd number of "']),
        ("the hive is old.", ['no capital letter opens "the hive is old."']),
        ("The hive is old. it is dry.", ['no capital letter opens "it is dry."']),
        ("“the hive is old.”", ['no capital letter opens "“the hive is old.”"']),
        ("The hive is old", ['no mark closes "The hive is old"']),
        ("The hive is old,", ['no mark closes "The hive is old,"']),
        ("The old hive is dry, and the old hive is dry.", [
            '"the old hive is" stands 2 times, 1 explained',
            '"old hive is dry" stands 2 times, 1 explained',
        ]),
        ("Bees like it; honey is sweet; honey is sweet.", ['"honey is sweet" stands 2 times, 1 explained']),
        ("The wax and wax and wax and wax is here.", ['"wax and wax and" stands 2 times, 1 explained',
                                                      '"and wax and wax" stands 2 times, 1 explained']),
        ("The wax, wax, wax, wax is here.", ['"wax" stands 4 times in succession']),
        ("Honey! Honey! It is sweet.", ['the sentence "honey" stands 2 times']),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(raw, reasons):
    assert problems(raw) == reasons


def test_a_figure_explains_as_many_copies_as_it_says():
    twice = "If the hive is old, the frame is dry; the hive is old; so the frame is dry."
    assert problems(twice, repeats=0) != []
    assert problems(twice, repeats=1) == []
    assert problems(twice[:-1] + "; the hive is old.", repeats=1) == ['"the hive is old" stands 3 times, 2 explained']


def test_no_figure_explains_a_whole_sentence_twice_or_a_word_four_times_running():
    assert problems("The hive is old. The hive is old.", repeats=5) == ['the sentence "the hive is old" stands 2 times']
    assert problems("Wax, wax, wax, wax it is.", repeats=5) == ['"wax" stands 4 times in succession']


@given(st.text(max_size=80))
def test_any_string_is_judged(raw):
    problems(raw)


WORDS = st.lists(
    st.sampled_from(["hive", "old", "bees", "honey", "keeper", "wax", "frame", "smoke", "garden", "sun"]),
    min_size=3,
    max_size=10,
    unique=True,
)


@given(WORDS)
def test_different_known_words_well_set_make_sense(words):
    assert problems(f"The {' '.join(words)}.") == []


@given(WORDS, st.sampled_from(["“", "”", "(", ")", '"', "[", "]"]), st.integers(0, 10))
def test_one_lone_mark_anywhere_breaks_it(words, mark, place):
    words.insert(min(place, len(words)), mark)
    assert any("close" in reason or "odd" in reason for reason in problems(f"The {' '.join(words)}."))


@given(WORDS, st.integers(2, 4))
def test_a_clause_needs_an_explanation_for_each_copy(words, copies):
    raw = "; ".join([" ".join(words)] * copies).capitalize() + "."
    assert problems(raw, repeats=copies - 2) != []
    assert problems(raw, repeats=copies - 1) == []
