"""Sentences, clauses and words of a text."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.graders.text import forms, parse, words_of

ONE = [
    "J. R. Smith met Dr. Jones near the hive.",
    "Mr. J. Smith Jr. works for Mrs. Brown vs. St. Paul.",
    "The jar holds 3.5 kg at 10.25 a piece.",
    "Bees, e.g. drones, fly; i.e. they leave, etc. and so on.",
    "The U.S. army came at 5 p.m. to the hive.",
    'He said "Go!" and left.',
    '"Is it safe?" asked Anna.',
    '"Is it safe?" Anna asked.',
    "“Run!” The keeper cried.",
    "Wait... what is this?",
    "Wait… what is this?",
    "The plan (it works.) is here.",
    "Really?!",
    "O hive, my hive; who keeps the honey?",
    "The hive is old,\nand the frame is dry.",
    "1. First smoke the hive.",
]
TWO = [
    "The hive is old. The frame is dry.",
    "She said, “I know.” Then she left.",
    'He cried "Go!" The bees left.',
    "“Go.” He left.",
    "Is it old?! It is.",
    "Wait... What now?",
    "Wait… What now?",
    "The hive is old\nThe frame is dry",
    "- the old hive\n- the dry frame",
    "the old hive.\nthe dry frame.",
    "He said: “The hive is old. It is lost.”",
    '"The hive is old. It is lost," he said.',
    "(The hive is old. It is lost.)",
    "1. First smoke the hive. 2. Then open it.",
    "We met at 5 p.m. Then we left.",
    "I saw it in 1999. The hive fell.",
    "The jar holds 3.5. It is full.",
]


@pytest.mark.parametrize("raw", ONE)
def test_one_sentence_is_one(raw):
    assert [sentence.raw for sentence in parse(raw).sentences] == [raw.replace("\n", " ")]


@pytest.mark.parametrize("raw", TWO)
def test_two_sentences_are_two(raw):
    assert len(parse(raw).sentences) == 2


@pytest.mark.parametrize("raw", ["", "   ", "\n\n", "...", "?!", "— ;", "“”"])
def test_a_text_without_words_has_no_sentence(raw):
    assert parse(raw).sentences == ()
    assert parse(raw).words == ()


@pytest.mark.parametrize(
    ("raw", "clauses"),
    [
        ("The hive, the bees; the wax.", [("the hive", ","), ("the bees", ";"), ("the wax", ".")]),
        ("The hive (an old box) fell.", [("the hive", "("), ("an old box", ")"), ("fell", ".")]),
        ("The hive—an old box–fell -- and - broke.", [
            ("the hive", "—"), ("an old box", "—"), ("fell", "—"), ("and", "—"), ("broke", ".")
        ]),
        ("Dr. Jones took 1,000 bees at 10:30 in 1999–2004.", [("dr jones took 1,000 bees at 10:30 in 1999 2004", ".")]),
        ("We had 3, 4 or 5.", [("we had 3", ","), ("4 or 5", ".")]),
        ("Wait... what?!", [("wait", "…"), ("what", "!")]),
        ("Wait… what", [("wait", "…"), ("what", "")]),
        ("Wait...", [("wait", ".")]),
        ("He said “why?” and left.", [("he said why", "?"), ("and left", ".")]),
        ("An old-fashioned hive, no less!”", [("an old-fashioned hive", ","), ("no less", "!")]),
    ],
)  # fmt: skip
def test_clauses_end_at_marks(raw, clauses):
    (sentence,) = parse(raw).sentences
    assert [(" ".join(clause.words), clause.mark) for clause in sentence.clauses] == clauses


@pytest.mark.parametrize(
    ("raw", "end"),
    [
        ("It is.", "."),
        ("It is?", "?"),
        ("It is!”", "!"),
        ("It is?)", "?"),
        ("It is", ""),
        ("It is…", "."),
        ("It is:", ""),
    ],
)
def test_a_sentence_ends_with_its_last_mark(raw, end):
    assert parse(raw).sentences[0].end == end


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("Anna’s hive isn't OLD", ["anna's", "hive", "isn't", "old"]),
        ("‘old’ bees' wax", ["old", "bees", "wax"]),
        ("old-fashioned, well‑known", ["old-fashioned", "well-known"]),
        ("e.g. at 5 p.m. in the U.S.", ["e.g", "at", "5", "p.m", "in", "the", "u.s"]),
        ("3.5 kg, 1,000 bees, 10:30", ["3.5", "kg", "1,000", "bees", "10:30"]),
        (unicodedata.normalize("NFD", "naïve café"), ["naïve", "café"]),
        ("🐝 bees_and_wax", ["bees", "and", "wax"]),
    ],
)
def test_words_are_lower_case_with_their_inner_marks(raw, words):
    assert list(words_of(raw)) == words
    assert list(parse(raw).words) == words


def test_inflections_share_a_form():
    for one, other in [("hives", "hive"), ("Anna's", "anna"), ("knives", "knife"), ("knotted", "knot")]:
        assert forms(one) & forms(other)
    assert not forms("metaphorical") & forms("metaphor")


MARKS = st.text(alphabet=" \n.,;:!?…—–-()[]\"'“”‘’0123abAB", max_size=60)


def test_half_a_surrogate_pair_is_no_letter():
    assert parse("The \ud800hive.").words == ("the", "hive")


@pytest.mark.parametrize(
    "piece", [" ", ".", ". ", '"', '("', "a-", "a.", "1,", "\n", '"a. b." ', '."', "The hive is. "]
)
def test_a_long_degenerate_text_is_parsed_at_once(piece):
    start = time.perf_counter()
    parse("a" + piece * 4000 + "b")
    assert time.perf_counter() - start < 5


@given(st.one_of(st.text(max_size=80), MARKS))
def test_any_string_is_parsed_and_loses_no_letter(raw):
    def letters(string):
        return "".join(c for c in unicodedata.normalize("NFC", string).lower() if c.isalnum())

    text = parse(raw)
    assert letters("".join(text.words)) == letters(raw)
    for sentence in text.sentences:
        assert sentence.words
        assert letters(sentence.raw) == letters("".join(sentence.words))


WORD = st.sampled_from(["hive", "old", "bees", "honey", "keeper", "wax", "frame", "smoke"])


@given(st.lists(st.lists(WORD, min_size=3, max_size=8), min_size=1, max_size=5), st.sampled_from(".?!"))
def test_plain_sentences_are_counted_exactly(sentences, mark):
    raw = " ".join(" ".join(["The", *words]) + mark for words in sentences)
    assert [list(sentence.words) for sentence in parse(raw).sentences] == [["the", *words] for words in sentences]
