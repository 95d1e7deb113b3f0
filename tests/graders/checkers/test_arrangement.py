"""Figures of arrangement: the checkers against cases by hand and against words at random."""

import pytest
from figure_cases import Cases, answers, rows
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.checkers.function_words import is_content
from skillmix_lightning.graders.text import parse

CASES = {
    "polysyndeton": Cases(
        shows=(
            "We had bread and soup and fish and wine.",
            "Bring a rope or a chain or a belt or some wire.",
            "It rained, and mud and wind and cold and hunger followed.",
        ),
        near_misses=(
            "We had bread and soup and wine.",
            "We had bread, and soup, and fish, and wine.",
            "We had bread and soup or fish and wine.",
            "Sand, band and hand and land.",
            "And we ate and drank and and slept.",
        ),
    ),
    "asyndeton": Cases(
        shows=(
            "The guests ate, the band played, the candles burned.",
            "He wants three things: a new hat, a warm coat, a good knife.",
            "I came, I saw, I won; it was easy.",
        ),
        near_misses=(
            "The guests ate, the band played, and the candles burned.",
            "I came, I saw, I won, and I left.",
            "The guests ate, the band played loudly, the candles burned.",
            "The guests ate; the band played; the candles burned.",
            "The guests ate, the guests ate, the guests ate.",
            "Red, white, blue.",
        ),
    ),
    "tricolon": Cases(
        shows=(
            "The doors were shut, the lights were out, and the street was dark.",
            "He came too early, he stayed too long, and he ate too much.",
            "It was over: no bird sang, no dog barked, and no child cried.",
        ),
        near_misses=(
            "The doors were shut, the lights were out, the street was dark.",
            "The doors were shut, the lights were out, and the street was very dark.",
            "The doors were shut, and the street was dark.",
            "He came, he stayed, and he ate.",
            "The doors were shut, the doors were shut, and the doors were shut.",
            "The doors were shut, and lights were out, and the street was dark.",
        ),
    ),
    "antithesis": Cases(
        shows=(
            "The road is long, but the day is short.",
            "The first man talks; the last man listens.",
            "One brother hates the sea, one brother loves the land.",
        ),
        near_misses=(
            "The road is long, but the day is very short.",
            "The road is long, but short is the day.",
            "The road is long, and the day is cold.",
            "Long road, short day.",
            "The road is long and the day is short.",
        ),
    ),
    "enumeratio": Cases(
        shows=(
            "First the rain, second the speeches, third the fish.",
            "Firstly, it is old; secondly, it leaks; thirdly, it is ours.",
            "Three things ruined the feast: first rain, then wind, second the speeches, third the fish.",
        ),
        near_misses=(
            "First the rain, second the speeches, last the fish.",
            "Third the fish, second the speeches, first the rain.",
            "The first day, the second day, the third day.",
            "First the rain and second the speeches and third the fish.",
            "First came rain. Second came wind. Third came snow.",
        ),
    ),
    "parenthesis": Cases(
        shows=(
            "My uncle (may he rest in peace) never paid.",
            "The ferry — so they say — never sank.",
            "The ferry -- old, slow, and loud -- never sank.",
        ),
        near_misses=(
            "My uncle (Bob) never paid.",
            "The ferry — so they say, never sank.",
            "(May he rest in peace.)",
            "The well-known ferry never sank in sun-warmed water.",
            "The ferry never sank (so they say).",
            "One thing — a ferry; it sank — was gone.",
        ),
    ),
    "anastrophe": Cases(
        shows=(
            "Bitter is the bread that a thief must eat.",
            "At night, dark are the streets.",
            "Great was his sorrow.",
        ),
        near_misses=(
            "The bread is bitter.",
            "Is the bread bitter?",
            "Here is the bread that a thief must eat.",
            "Bitter bread is the bread of a thief.",
            "Small is beautiful.",
            "What is dark is the street.",
        ),
    ),
}

WORD = st.text(alphabet="bcdfglmnprstaeiou", min_size=2, max_size=8).filter(is_content)


@pytest.mark.parametrize(("skill", "text", "expected"), rows(CASES))
def test_cases_by_hand_in_any_company(skill, text, expected):
    assert answers(skill, text) == {expected}


@given(st.lists(WORD, min_size=2, max_size=6), st.sampled_from(["and", "or"]))
def test_polysyndeton_needs_three_joints(words, joiner):
    assert CHECKERS["polysyndeton"](parse(f" {joiner} ".join(words))) is (len(words) >= 4)


@given(st.lists(WORD, min_size=3, max_size=3, unique=True))
def test_and_before_the_last_of_three_equals_decides_between_tricolon_and_asyndeton(words):
    one, two, three = (f"some {word} came" for word in words)
    bare, joined = parse(f"{one}, {two}, {three}"), parse(f"{one}, {two}, and {three}")
    assert (CHECKERS["asyndeton"](bare), CHECKERS["tricolon"](bare)) == (True, False)
    assert (CHECKERS["asyndeton"](joined), CHECKERS["tricolon"](joined)) == (False, True)
