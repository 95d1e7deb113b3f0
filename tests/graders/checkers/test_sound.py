"""Figures of sound: the checkers against cases by hand."""

import pytest
from figure_cases import Cases, answers, rows

from skillmix_lightning.graders.checkers.sound import onsets, rhyme

CASES = {
    "alliteration": Cases(
        shows=(
            "The teacher praised a big, bold boy.",
            "Kind clowns for the queen danced.",
            "She sent photos of a fine fish.",
            "The bear in the big, bold barn slept.",
        ),
        near_misses=(
            "The teacher praised a big boy.",
            "The chef cut cheese and cabbage.",
            "An apple, an orange, an olive.",
            "Big; bold; boys came.",
            "Bread, bread, bread.",
            "A big and very bold boy sat.",
            "The knight kept keys.",
        ),
    ),
    "rhyme": Cases(
        shows=(
            "The ferry left at noon, the river shone beneath the moon.",
            "He sat by the sea; she drank her tea.",
            "I told my neighbor of the weather, and then we walked home together.",
        ),
        near_misses=(
            "He crossed the sea, and all could see.",
            "The ferry left at noon, it left again at noon.",
            "The ferry left at noon, it rained, we saw the moon.",
            "She had a cough, he ate the dough.",
            "The hen, the pen.",
            "He sang of love, he liked to move.",
        ),
    ),
}


@pytest.mark.parametrize(("skill", "text", "expected"), rows(CASES))
def test_cases_by_hand_in_any_company(skill, text, expected):
    assert answers(skill, text) == {expected}


@pytest.mark.parametrize(
    ("word", "sounds"),
    [("knife", {"N"}), ("phone", {"F"}), ("chair", {"CH"}), ("hour", set()), ("bowstring", {"B"}), ("7", set())],
)
def test_words_begin_with_their_first_sound_not_letter(word, sounds):
    assert onsets(word) == sounds


def test_a_word_the_dictionary_lacks_rhymes_with_nothing():
    assert not rhyme("zzub", "tub")
    assert rhyme("rub", "tub")
