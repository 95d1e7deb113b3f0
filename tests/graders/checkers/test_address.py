"""Figures of address: the checkers against cases by hand."""

import pytest
from figure_cases import Cases, answers, rows
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.text import parse

CASES = {
    "rhetorical question": Cases(
        shows=(
            "Who would not cry at such a song?",
            "The bread is gone; what good is butter?",
            "If it rains, who does not love a roof?",
        ),
        near_misses=(
            "Who would like some bread?",
            "I know who would not cry at such a song.",
            "Who would not cry?! Anna sang on.",
            "What time is it?",
            "He asked who could help; where is it?",
            "Who would not?",
        ),
    ),
    "ecphonesis": Cases(
        shows=(
            "Alas, the ship is gone!",
            "It rained all day; ah, what a summer!",
            "Hurrah for the new king!",
        ),
        near_misses=(
            "Alas, the ship is gone.",
            "The ship is gone!",
            "The ship is gone, alas!",
            "Alas! The ship is gone.",
            "Ahead lies the ship!",
            "Oh, is the ship gone?",
        ),
    ),
    "optatio": Cases(
        shows=(
            "If only my brother were here!",
            "It is late; would that the train came!",
            "How I wish it would rain!",
        ),
        near_misses=(
            "If only my brother were here.",
            "If my brother were only here!",
            "Oh, if only my brother were here!",
            "Would that train stop?",
            "I wish it would rain!",
            "If only!",
        ),
    ),
    "apostrophe": Cases(
        shows=(
            "O gentle night, you hide us all.",
            "We sing; O river, carry your boats home.",
            "O my dear old house, the rain comes for you.",
        ),
        near_misses=(
            "Oh well, you hide us all.",
            "Gentle night, you hide us all.",
            "O gentle night, it hides us all.",
            "Blood group O, you know, is common.",
            "O gentle night that hides us all, you are long.",
            "It is five o'clock, you know.",
            "O gentle night; you hide us all.",
        ),
    ),
    "aporia": Cases(
        shows=(
            "I cannot tell whether he is brave or mad.",
            "The roof leaks, and we hardly know where to begin.",
            "I don’t know which road is longer.",
        ),
        near_misses=(
            "I know whether he is brave or mad.",
            "I do not know him.",
            "They do not know whether he is brave.",
            "I cannot tell you whether he is brave.",
            "Whether he is brave I do not know.",
        ),
    ),
    "apophasis": Cases(
        shows=(
            "I will not mention the money that he owes me.",
            "The roof leaks, not to mention the cellar.",
            "Let us not speak of his cooking.",
        ),
        near_misses=(
            "I will mention the money that he owes me.",
            "He told me not to mention.",
            "I will not sell the money box.",
            "The money he owes me I will not mention.",
            "She did not mention the money.",
        ),
    ),
    "epanorthosis": Cases(
        shows=(
            "He walked, or rather limped, to the station.",
            "It is a house — or better, a palace.",
            "The soup is warm, or more truly hot.",
        ),
        near_misses=(
            "He would rather walk to the station.",
            "Or rather, he limped to the station.",
            "Walk by day, or rather than that, take a bus.",
            "It was bad, or rather.",
            "He walked or limped, rather slowly, to the station.",
        ),
    ),
}


@pytest.mark.parametrize(("skill", "text", "expected"), rows(CASES))
def test_cases_by_hand_in_any_company(skill, text, expected):
    assert answers(skill, text) == {expected}


@pytest.mark.parametrize("skill", sorted(CHECKERS))
@given(text=st.text(max_size=60) | st.text(alphabet="ab oI,;:.!?()—-'\n", max_size=40))
def test_no_string_makes_a_checker_raise(skill, text):
    assert CHECKERS[skill](parse(text)) in (True, False)


@given(
    st.sampled_from(["who would not cry", "alas, they cry", "if only they cried"]),
    st.sampled_from(".?!"),
)
def test_no_sentence_shows_two_figures_that_close_it(words, mark):
    shown = [name for name in ("rhetorical question", "ecphonesis", "optatio") if CHECKERS[name](parse(words + mark))]
    assert len(shown) == (0 if mark == "." else int((mark == "?") == words.startswith("who")))
