import pytest

from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.text import parse

#: Per skill: texts that show it, and near misses.
CASES: dict[str, tuple[list[str], list[str]]] = {
    "modus ponens": (
        [
            "If the hive is warm, the frame is dry; the hive is warm; so the frame is dry.",
            "If the hive is warm, then the frame is dry. The hive is warm. Therefore, the frame is dry.",
            "If the hive is warm then the frame is dry, and the hive is warm, hence the frame is dry.",
            "If the hive isn't warm, Anna can't rest; the hive is not warm and so Anna cannot rest.",
        ],
        [
            "If the hive is warm, the frame is dry.",
            "If the hive is warm, the frame is dry; the hive is warm; so the frame is old.",
            "If the hive is warm, the frame is dry; the hive is not warm; so the frame is dry.",
            "If the hive is warm, the frame is dry; the frame is dry; so the hive is warm.",
            "If the hive is warm, the frame is dry; the hive is warm; the frame is dry.",
            "If the hive is warm, the frame is dry; the hive is warm; so the frame is dry?",
            "If the hive is warm, the frame is dry; Anna waits; the hive is warm; so the frame is dry.",
            "If the hive is warm, the hive is warm; the hive is warm; so the hive is warm.",
        ],
    ),
    "modus tollens": (
        [
            "If the hive is warm, the frame is dry; the frame is not dry; so the hive is not warm.",
            "If the hive is warm, then the frame is dry. But the frame isn't dry. Thus the hive isn't warm.",
            "If the hive is not warm, the frame is dry; the frame is not dry; so the hive is warm.",
        ],
        [
            "If the hive is warm, the frame is dry; the hive is not warm; so the frame is not dry.",
            "If the hive is warm, the frame is dry; the frame is wet; so the hive is not warm.",
            "If the hive is warm, the frame is dry; the frame is not dry; so the hive is warm.",
            "If the hive is warm, the frame is dry; the frame is dry not; so the hive is warm not.",
        ],
    ),
    "affirming the consequent": (
        [
            "If the hive is warm, the frame is dry; the frame is dry; so the hive is warm.",
            "If coal is rare, then Nora is busy. Nora is busy. Therefore coal is rare.",
            "If coal is rare then Nora is busy; now Nora is busy, so coal is rare.",
        ],
        [
            "If the hive is warm, the frame is dry; the hive is warm; so the frame is dry.",
            "If the hive is warm, the frame is dry; the frame is dry; so perhaps the hive is warm.",
            "If the hive is warm, the frame is dry; the frame is dry; so the hive is old.",
            "If the hive is warm, the frame is dry; the frame is not dry; so the hive is not warm.",
        ],
    ),
    "denying the antecedent": (
        [
            "If the hive is warm, the frame is dry; the hive is not warm; so the frame is not dry.",
            "If coal is rare, then Nora is busy. But coal is not rare. Hence Nora is not busy.",
            "If coal is not rare, Nora is busy; coal is rare; so Nora is not busy.",
        ],
        [
            "If the hive is warm, the frame is dry; the frame is not dry; so the hive is not warm.",
            "If the hive is warm, the frame is dry; the hive is not warm; so the frame is dry.",
            "If the hive is warm, the frame is dry; the hive is cold; so the frame is not dry.",
            "If the hive is warm, the frame is dry; the hive is not warm; the frame is not dry.",
        ],
    ),
    "contraposition": (
        [
            "If the hive is warm, the frame is dry; so if the frame is not dry, the hive is not warm.",
            "If coal is rare, then Nora is busy. Therefore, if Nora is not busy, then coal is not rare.",
            "If Nora is not busy then coal is rare, hence if coal is not rare then Nora is busy.",
        ],
        [
            "If the hive is warm, the frame is dry; so if the hive is not warm, the frame is not dry.",
            "If the hive is warm, the frame is dry; so if the frame is dry, the hive is warm.",
            "If the hive is warm, the frame is dry; if the frame is not dry, the hive is not warm.",
            "If the hive is warm, the frame is dry; so if the frame is not dry, the hive is not old.",
        ],
    ),
    "hypothetical syllogism": (
        [
            "If the gate is old, hay is rare; if hay is rare, Ivan is tired; so if the gate is old, Ivan is tired.",
            "If it rains, then we wait. And if we wait, then we eat. Thus if it rains, then we eat.",
            "If it rains then we wait, if we wait then we eat, and so if it rains then we eat.",
        ],
        [
            "If it rains, we wait; if we wait, we eat; so if it rains, we sing.",
            "If it rains, we wait; if we eat, we sing; so if it rains, we sing.",
            "If it rains, we wait; if we wait, we eat; if it rains, we eat.",
            "If it rains, we wait; if we wait, we eat; so we eat.",
        ],
    ),
    "constructive dilemma": (
        [
            "If coal is rare, we wait; if steel is rare, we wait; coal is rare or steel is rare; so we wait.",
            "If it rains, then we eat. If it snows, then we eat. Either it snows or it rains. Therefore we eat.",
            "If it rains, we eat; and if it snows, we eat; either it rains, or it snows; hence we eat.",
        ],
        [
            "If it rains, we eat; if it snows, we sing; either it rains or it snows; so we eat.",
            "If it rains, we eat; if it snows, we eat; either it rains or it hails; so we eat.",
            "If it rains, we eat; if it snows, we eat; it rains; so we eat.",
            "If it rains, we eat; if it snows, we eat; either it rains or it snows; so we sing.",
        ],
    ),
    "disjunctive syllogism": (
        [
            "Either the map is lost or the radio is old; the map is not lost; so the radio is old.",
            "Either the map is lost, or the radio is old. The radio isn't old. Therefore the map is lost.",
            "The map is lost or the radio is old, but the map is not lost, hence the radio is old.",
        ],
        [
            "Either the map is lost or the radio is old; the map is lost; so the radio is not old.",
            "Either the map is lost or the radio is old; the map is not lost; so the radio is new.",
            "Either the map is lost or the radio is old; so the radio is old.",
            "The map is lost and the radio is old; the map is not lost; so the radio is old.",
        ],
    ),
    "categorical syllogism": (
        [
            "All knights are dreamers; all dreamers are patient; so all knights are patient.",
            "All knights are dreamers. And all dreamers are poets. Therefore all knights are poets.",
            "Every rug is a gift, every gift is precious, hence every rug is precious.",
        ],
        [
            "All knights are dreamers; all dreamers are patient; so all dreamers are patient.",
            "All knights are dreamers; all poets are patient; so all knights are patient.",
            "Some knights are dreamers; all dreamers are patient; so some knights are patient.",
            "All knights are dreamers; all dreamers are patient; so all knights are brave.",
            "All knights are dreamers; all dreamers are patient; all knights are patient.",
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
