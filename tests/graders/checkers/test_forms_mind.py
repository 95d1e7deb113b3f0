import pytest

from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.text import parse

#: Per skill: texts that show it, and near misses.
CASES: dict[str, tuple[list[str], list[str]]] = {
    "false belief": (
        [
            "Paul thinks that the safe is full, but the safe is not full.",
            "The old baker believes the oven is not hot. But the oven is hot.",
            "Paul assumed that the gate was open; yet the gate wasn't open.",
        ],
        [
            "Paul thinks that the safe is full, and the safe is full.",
            "Paul knows that the safe is full, but the safe is not full.",
            "Paul does not think that the safe is full, but the safe is not full.",
            "Paul thinks that the safe is full, but the gate is not full.",
            "Nobody thinks that the safe is full, but the safe is not full.",
        ],
    ),
    "second-order belief": (
        [
            "Rosa believes that the potter thinks that the kiln is cold.",
            "The clerk supposes Anna knows the letter is lost.",
            "At noon it rained, and Rosa thinks that Ben believes that the road is wet.",
        ],
        [
            "Rosa believes that the kiln is cold.",
            "Rosa thinks that Rosa thinks that the kiln is cold.",
            "Rosa thinks and the potter believes that the kiln is cold.",
            "Rosa said that the potter thinks that the kiln is cold.",
        ],
    ),
    "conflicting beliefs": (
        [
            "Ben thinks that the bridge is safe, but Anna thinks that the bridge is not safe.",
            "Ben believes the bridge isn't safe. The mayor assumes the bridge is safe.",
            "Ben supposes that the bridge is safe, while Anna supposes that the bridge is not safe.",
        ],
        [
            "Ben thinks that the bridge is safe, and Anna thinks that the bridge is safe.",
            "Ben thinks that the bridge is safe, but Ben thinks that the bridge is not safe.",
            "Ben thinks that the bridge is safe, but Anna knows that the bridge is not safe.",
            "Ben thinks that the bridge is safe, but the bridge is not safe.",
        ],
    ),
    "knowledge from sight": (
        [
            "Greta sees that the ladder is broken, so Greta knows that the ladder is broken.",
            "The pilot can see that the wing is wet. Therefore the pilot knows that the wing is wet.",
            "Greta saw that the ladder was old, so she knew the ladder was old.",
        ],
        [
            "Greta sees that the ladder is broken, so Ben knows that the ladder is broken.",
            "Greta sees that the ladder is broken, so Greta knows that the rope is broken.",
            "Greta sees that the ladder is broken, and Greta knows that the ladder is broken.",
            "Greta hopes that the ladder is broken, so Greta knows that the ladder is broken.",
        ],
    ),
    "ignorance of the unseen": (
        [
            "The letter is lost, but Ben has not seen it, so Ben does not know that the letter is lost.",
            "The gate is open. The guard cannot see it. So the guard doesn't know the gate is open.",
            "The letter was lost; Ben did not see this; so he did not know that the letter was lost.",
        ],
        [
            "The letter is lost, but Ben has seen it, so Ben does not know that the letter is lost.",
            "The letter is lost, but Ben has not seen it, so Ben knows that the letter is lost.",
            "The letter is lost, but Ben has not seen it, so Anna does not know that the letter is lost.",
            "The letter is lost, but Ben has not seen it, so Ben does not know that the stamp is lost.",
        ],
    ),
    "scalar implicature": (
        [
            "Some violins are old, so not all violins are old.",
            "Some of the hens were white. Therefore not all of the hens were white.",
            "Some bells near the forge are new; hence not all bells near the forge are new.",
        ],
        [
            "Some violins are old, but not all violins are old.",
            "Some violins are old, so not all violins are new.",
            "Some violins are old, so all violins are old.",
            "Most violins are old, so not all violins are old.",
            "Some violins are old, so not all flutes are old.",
        ],
    ),
    "implicature cancellation": (
        [
            "Some tulips are rare, in fact all tulips are rare.",
            "Some tulips are rare; in fact, all tulips are rare.",
            "Some of the hens are white. And in fact all of the hens are white.",
        ],
        [
            "Some tulips are rare, so not all tulips are rare.",
            "Some tulips are rare, in fact all tulips are old.",
            "Some tulips are rare, all tulips are rare.",
            "In fact all tulips are rare, some tulips are rare.",
        ],
    ),
    "presupposition of again": (
        [
            "Hannah cleaned the saddle again, so Hannah had cleaned the saddle before.",
            "The tailor lost a pin again. Therefore the tailor had lost a pin before.",
            "The old mill worked again; hence the old mill had worked before.",
        ],
        [
            "Hannah cleaned the saddle, so Hannah had cleaned the saddle before.",
            "Hannah cleaned the saddle again, so Hannah had cleaned the bridle before.",
            "Hannah cleaned the saddle again, so Hannah cleaned the saddle before.",
            "Hannah cleaned the saddle again, and Hannah had cleaned the saddle before.",
            "Hannah cleaned the saddle again, so Ben had cleaned the saddle before.",
        ],
    ),
    "factive presupposition": (
        [
            "Samir forgot that the tent was wet, so the tent was wet.",
            "The clerk noticed that the door was open. Therefore the door was open.",
            "Samir regrets that honey is rare; hence honey is rare.",
        ],
        [
            "Samir thinks that the tent was wet, so the tent was wet.",
            "Samir forgot that the tent was wet, so the tent was dry.",
            "Samir forgot that the tent was wet, and the tent was wet.",
            "Samir forgot that the tent was wet, so the tent was not wet.",
        ],
    ),
}
NEUTRAL = "The market was quiet."


def variants(text: str) -> tuple[str, ...]:
    return text, text.upper(), f"{NEUTRAL} {text}", f"{text} {NEUTRAL}"


@pytest.mark.parametrize(("skill", "text"), [(skill, text) for skill, (good, _) in CASES.items() for text in good])
def test_shows_the_skill(skill: str, text: str) -> None:
    assert [CHECKERS[skill](parse(variant)) for variant in variants(text)] == [True] * 4


@pytest.mark.parametrize(("skill", "text"), [(skill, text) for skill, (_, bad) in CASES.items() for text in bad])
def test_is_a_near_miss(skill: str, text: str) -> None:
    assert [CHECKERS[skill](parse(variant)) for variant in variants(text)] == [False] * 4
