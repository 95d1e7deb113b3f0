"""Figures of single words: the checkers against cases by hand."""

import pytest
from figure_cases import Cases, answers, rows

CASES = {
    "simile": Cases(
        shows=(
            "The boy was as quiet as a mouse.",
            "A tent as big as an old barn stood there.",
            "As cold as a stone, the hand lay still.",
        ),
        near_misses=(
            "He came as soon as a bus stopped.",
            "The boy was as quiet as his sister.",
            "The boy, as quiet as ever, was a mouse.",
            "The boy was quiet as a mouse.",
            "He works as well as a singer.",
            "As a child he was as a bird.",
        ),
    ),
    "onomatopoeia": Cases(
        shows=("The old gate creaks.", "A bucket fell with a splash!", "There was a buzzing in my ear."),
        near_misses=(
            "The buzzword of the year is growth.",
            "We sat by the splashy pool.",
            "He is a human being.",
            "The creek runs by the gate.",
            "A sound was heard.",
        ),
    ),
    "personification": Cases(
        shows=(
            "Over the empty field the wind whispers to nobody.",
            "The moon smiles, and the house dreams.",
            "Last year the river forgave us.",
        ),
        near_misses=(
            "The wind blows over the field.",
            "The girl whispers to the wind.",
            "The wind, whispers the girl.",
            "The wind never whispers.",
            "Whispers of wind fill the field.",
        ),
    ),
    "oxymoron": Cases(
        shows=(
            "A deafening silence followed.",
            "It was sad joy and cold fire.",
            "He ran in the bright darkness of June.",
        ),
        near_misses=(
            "A loud noise broke the silence.",
            "The silence was deafening.",
            "A deep silence followed.",
            "It was cold, fire helped.",
            "A cold firefighter came.",
        ),
    ),
    "hyperbole": Cases(
        shows=(
            "I told you a million times.",
            "It was a thousand years ago that we met.",
            "He has a billion reasons to stay.",
        ),
        near_misses=(
            "The car costs a thousand dollars.",
            "Ten times I told you.",
            "A thousand and ten times.",
            "Two thousand years ago.",
            "I told a million people many times.",
        ),
    ),
    "litotes": Cases(
        shows=("Her answer was not unkind.", "It is not bad at all.", "Not useless is a good friend."),
        near_misses=(
            "Her answer was unkind.",
            "It is not under the bed.",
            "It is not a bad idea.",
            "It was unkind, was it not, bad luck.",
            "He is not united with us.",
            "Her answer was not kind.",
        ),
    ),
}


@pytest.mark.parametrize(("skill", "text", "expected"), rows(CASES))
def test_cases_by_hand_in_any_company(skill, text, expected):
    assert answers(skill, text) == {expected}
