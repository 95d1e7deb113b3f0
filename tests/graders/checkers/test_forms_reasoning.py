import pytest

from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.text import parse

#: Per skill: texts that show it, and near misses.
CASES: dict[str, tuple[list[str], list[str]]] = {
    "statistical syllogism": (
        [
            "Most sailors are brave; Leila is a sailor; so Leila is probably brave.",
            "Nearly all archers are calm. Omar is an archer. Therefore, probably Omar is calm.",
            "Almost all of the loaves are warm, this is a loaf, so this is likely warm.",
        ],
        [
            "Most sailors are brave; Leila is a sailor; so Leila is brave.",
            "All sailors are brave; Leila is a sailor; so Leila is probably brave.",
            "Most sailors are brave; Leila is a baker; so Leila is probably brave.",
            "Most sailors are brave; Leila is a sailor; so Leila is probably calm.",
            "Most sailors are brave; Leila is a sailor; so Omar is probably brave.",
        ],
    ),
    "inductive generalisation": (
        [
            "The first hive is warm, the second hive is warm, the third hive is warm; so all hives are warm.",
            "One loaf is old. Another loaf is old. A third loaf is old. Hence every loaf is old.",
            "My knife is clean; your knife is clean; and her knife is clean; so all the knives are clean.",
        ],
        [
            "The first hive is warm, the second hive is warm; so all hives are warm.",
            "The first hive is warm, the second hive is warm, the third hive is old; so all hives are warm.",
            "The first hive is warm, the second hive is warm, the third frame is warm; so all hives are warm.",
            "The first hive is warm, the second hive is warm, the third hive is warm; so some hives are warm.",
            "The first hive is warm, the first hive is warm, the first hive is warm; so all hives are warm.",
        ],
    ),
    "abductive reasoning": (
        [
            "The street is wet; if the pipe is broken, the street is wet; so perhaps the pipe is broken.",
            "Anna is late. If the tram is old, then Anna is late. So maybe the tram is old.",
            "If the tram is old, Anna is late; Anna is late; therefore possibly the tram is old.",
        ],
        [
            "The street is wet; if the pipe is broken, the street is wet; so the pipe is broken.",
            "The pipe is broken; if the pipe is broken, the street is wet; so perhaps the street is wet.",
            "The street is wet; if the pipe is broken, the street is wet; perhaps the pipe is broken.",
            "The street is wet; if the pipe is broken, the street is wet; so perhaps the tank is broken.",
        ],
    ),
    "circular reasoning": (
        [
            "The mayor is honest because the judge is calm, and the judge is calm because the mayor is honest.",
            "It rains because we wait. We wait because it rains.",
            "It rains, because we wait; and we wait, because it rains.",
        ],
        [
            "It rains because we wait, and we sing because it rains.",
            "It rains because we wait, and it rains because we wait.",
            "It rains because it rains, and it rains because it rains.",
            "It rains because we wait; Anna sings; we wait because it rains.",
        ],
    ),
    "transitive inference": (
        [
            "The anvil is older than the saw; the saw is older than the nail; so the anvil is older than the nail.",
            "Ben is taller than Anna. And Anna is taller than Zoe. Therefore Ben is taller than Zoe.",
            "Gold is more precious than silver, silver is more precious than tin, so gold is more precious than tin.",
        ],
        [
            "Ben is taller than Anna; Anna is taller than Zoe; so Zoe is taller than Ben.",
            "Ben is taller than Anna; Anna is older than Zoe; so Ben is taller than Zoe.",
            "Ben is taller than Anna; Omar is taller than Zoe; so Ben is taller than Zoe.",
            "Ben is rather than Anna; Anna is rather than Zoe; so Ben is rather than Zoe.",
            "Ben is taller than Anna; Anna is taller than Zoe.",
        ],
    ),
    "verbal analogy": (
        [
            "The loom is to the weaver as the pen is to the poet.",
            "Bread is to the baker what wine is to the vintner.",
            "The fin is to the fish, as the wing is to the bird.",
        ],
        [
            "The loom is to the weaver as the weaver is to the loom.",
            "The loom is as dear to the weaver as the pen to the poet.",
            "The loom is to the weaver.",
            "The loom is to the weaver as the pen is new.",
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
