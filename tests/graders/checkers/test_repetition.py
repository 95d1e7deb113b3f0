"""Figures of repetition: the checkers against cases by hand and against words at random."""

import pytest
from figure_cases import Cases, answers, rows
from hypothesis import assume, given
from hypothesis import strategies as st

from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.checkers.function_words import is_content
from skillmix_lightning.graders.text import parse

CASES = {
    "anaphora": Cases(
        shows=(
            "For the hive, for the comb, for the honey, she works.",
            "We love bread; we love wine; we love every guest.",
            "It was quiet: in the city, in the fields, in the hills, nobody slept.",
        ),
        near_misses=(
            "For the hive, for the comb, she works.",
            "We love bread, we love wine, they love every guest, we love cheese.",
            "We love, we love, we love.",
            "The hive is full, the hive is full, the hive is full.",
            "We love bread, we like wine, we love every guest.",
        ),
    ),
    "epistrophe": Cases(
        shows=(
            "The king wants peace, the farmer wants peace, and all dream of peace.",
            "It is cold; she is cold; we are cold.",
            "Paint the door red, the wall red, even the roof red, my friend.",
        ),
        near_misses=(
            "The king wants peace, the farmer wants peace, and all dream of war.",
            "Peace, peace, peace.",
            "The king wants peace, the king wants peace, the king wants peace.",
            "The king wants peace, the farmer wants rain, and all dream of peace.",
        ),
    ),
    "epizeuxis": Cases(
        shows=(
            "Rain, rain, rain is all we had.",
            "It was a very very very long day.",
            "She cried never, Never, NEVER again.",
        ),
        near_misses=(
            "He had had enough.",
            "She said that that was wrong.",
            "Rain, rain fell all day.",
            "Rain; rain; rain.",
            "Rain and rain and rain is all we had.",
            "Row, row your boat, row it home.",
        ),
    ),
    "anadiplosis": Cases(
        shows=(
            "The child was full of fear, fear kept her awake.",
            "All they grow is wheat; wheat feeds the town.",
            "He gave his life to music. Music gave him nothing.",
        ),
        near_misses=(
            "The child was full of fear, and fear kept her awake.",
            "Rain, rain, rain.",
            "I know what it is, is it not so?",
            "The child was full of fears, fear kept her awake.",
            "Fear kept her awake, the child was full of fear.",
        ),
    ),
    "antimetabole": Cases(
        shows=(
            "We do not live to eat, but eat to live.",
            "The bees serve the keeper, and the keeper serves the bees.",
            "No smoke without fire; no fire without smoke.",
        ),
        near_misses=(
            "We do not live to eat, but live to sing.",
            "The bees serve the keeper, and the bees feed the keeper.",
            "It is for you and me, for me and you.",
            "The keeper lost the bees, it rained, and the bees lost the keeper.",
            "The bees serve the keeper and the keeper serves the bees.",
        ),
    ),
    "epanalepsis": Cases(
        shows=(
            "Money will always follow money.",
            "As he says, boys will be boys.",
            "Honey is only honey, whatever it costs.",
        ),
        near_misses=(
            "Money, money.",
            "The money will always follow money.",
            "It is what it is, so be it.",
            "You see, the man you see.",
            "Money follows money everywhere.",
        ),
    ),
    "diacope": Cases(
        shows=(
            "They came back to the sea, the cold sea of their youth.",
            "Gone, forever gone, is the summer.",
            "The water is cold, really cold.",
        ),
        near_misses=(
            "Gone, gone is the summer.",
            "The sea and the sea are one.",
            "They came to the sea, not to the quiet sea.",
            "It is the one that I want, is the one you have, it is.",
            "The sea, blue, sea of my youth.",
            "The keeper serves the hive, and the hive serves the keeper.",
        ),
    ),
    "polyptoton": Cases(
        shows=(
            "She sang a song that her mother taught her.",
            "A proud man hides his pride.",
            "Gifts fade, but the giver gave twice.",
        ),
        near_misses=(
            "She sang, and the song was old.",
            "She sang and sang.",
            "The careful cart carried cars.",
            "The singers met other singers.",
            "A proud man met a prude.",
        ),
    ),
}

WORD = st.text(alphabet="bcdfglmnprstaeiou", min_size=2, max_size=8)
CONTENT_WORD = WORD.filter(is_content)


@pytest.mark.parametrize(("skill", "text", "expected"), rows(CASES))
def test_cases_by_hand_in_any_company(skill, text, expected):
    assert answers(skill, text) == {expected}


@given(WORD, WORD)
def test_three_of_one_word_are_epizeuxis_and_one_between_ends_it(word, other):
    assume(word != other)
    assert CHECKERS["epizeuxis"](parse(f"{word}, {word}, {word}"))
    assert not CHECKERS["epizeuxis"](parse(f"{word}, {other}, {word}"))
    assert not CHECKERS["epizeuxis"](parse(f"{word}, {word}, {other}, {word}, {word}"))


@given(CONTENT_WORD, CONTENT_WORD, CONTENT_WORD)
def test_two_words_that_change_places_are_antimetabole(one, other, third):
    assume(len({one, other, third}) == 3)
    assert CHECKERS["antimetabole"](parse(f"{one} for {other}, {other} for {one}"))
    assert not CHECKERS["antimetabole"](parse(f"{one} for {other}, {other} for {third}"))


@given(CONTENT_WORD, CONTENT_WORD)
def test_only_the_word_at_both_joints_chains_two_clauses(one, other):
    assume(one != other)
    assert CHECKERS["anadiplosis"](parse(f"they want {one}, {one} wants them"))
    assert not CHECKERS["anadiplosis"](parse(f"they want {one}, {other} wants them"))


@given(CONTENT_WORD, st.integers(min_value=1, max_value=4))
def test_diacope_spans_one_or_two_words(word, gap):
    between = " ".join(["zo", "zu", "zi", "ze"][:gap])
    assert CHECKERS["diacope"](parse(f"{word}, {between} {word}")) is (gap <= 2)
