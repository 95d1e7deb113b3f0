import pytest

from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.text import parse

#: Per skill: texts that show it, and near misses.
CASES: dict[str, tuple[list[str], list[str]]] = {
    "temporal ordering": (
        [
            "Zoe came before Ben; Ben came before Ivan; so Zoe came before Ivan.",
            "The pilot woke up before the cook. The cook woke up before Ben. Hence the pilot woke up before Ben.",
            "Supper is after lunch, and lunch is after breakfast, so supper is after breakfast.",
        ],
        [
            "Zoe came before Ben; Ben came before Ivan; so Ivan came before Zoe.",
            "Zoe came before Ben; Ben came after Ivan; so Zoe came before Ivan.",
            "Zoe came before Ben; Ben left before Ivan; so Zoe came before Ivan.",
            "Zoe came before Ben; Ben came before Ivan.",
            "Zoe came before Ben; Zoe came before Ivan; so Ben came before Ivan.",
        ],
    ),
    "addition in words": (
        [
            "Three coins and four coins make seven coins.",
            "In the kitchen, one loaf plus twenty-one loaves are twenty-two loaves.",
            "Two hives and 3 more make 5 hives.",
        ],
        [
            "Three coins and four coins make eight coins.",
            "Three coins and four rings make seven coins.",
            "Three and four make seven.",
            "One hundred five coins and two coins make seven coins.",
            "Three coins and four coins lie beside seven coins.",
        ],
    ),
    "counting the rest": (
        [
            "Of nine arrows, four are broken, so five are not broken.",
            "Of the twelve loaves in the oven, eleven are warm; so one is not warm.",
            "Of 20 goats, 8 are old. Therefore 12 are not old.",
        ],
        [
            "Of nine arrows, four are broken, so six are not broken.",
            "Of nine arrows, four are broken, so five are not clean.",
            "Of nine arrows, four are broken, so five are broken.",
            "Of nine hundred arrows, four are broken, so five are not broken.",
            "Of nine arrows, four are broken, and five are not broken.",
        ],
    ),
    "lack of means": (
        [
            "Carla has no needle, so Carla cannot use a needle.",
            "The tailors have no thread. Therefore the tailors can't sell any thread.",
            "The tailor had no pins; hence the tailor could not lend pins.",
        ],
        [
            "Carla has a needle, so Carla cannot use a needle.",
            "Carla has no needle, so Carla cannot use a button.",
            "Carla has no needle, so Anna cannot use a needle.",
            "Carla has no needle, so Carla can use a needle.",
        ],
    ),
    "containment inference": (
        [
            "The wine is in the cask; the cask is in the cellar; so the wine is in the cellar.",
            "A pin is inside the box. And the box is in the room. Hence the pin is inside the room.",
            "The keys are in the coat, the coat is within the hall, therefore the keys are in the hall.",
        ],
        [
            "The wine is in the cask; the cask is in the cellar; so the cask is in the wine.",
            "The wine is in the cask; the jug is in the cellar; so the wine is in the cellar.",
            "The wine is in the cask; the cask is on the cellar; so the wine is in the cellar.",
            "The wine is in the cask; the cask is in the cellar; the wine is in the cellar.",
        ],
    ),
    "stacking inference": (
        [
            "The vase is on the crate; the crate is on the floor; so the vase is above the floor.",
            "A cup is on top of the box. The box is on top of the shelf. Therefore the cup is over the shelf.",
            "The hat is upon the drum, and the drum is upon the cart, thus the hat is above the cart.",
        ],
        [
            "The vase is on the crate; the crate is on the floor; so the vase is on the floor.",
            "The vase is on the crate; the crate is on the floor; so the floor is above the vase.",
            "The vase is on the crate; the box is on the floor; so the vase is above the floor.",
            "The vase is in the crate; the crate is in the floor; so the vase is above the floor.",
        ],
    ),
    "spatial converse": (
        [
            "The lamp is above the desk, so the desk is below the lamp.",
            "The mill stands behind the barn. Therefore the barn stands in front of the mill.",
            "The inn lies to the left of the bay; hence the bay lies to the right of the inn.",
        ],
        [
            "The lamp is above the desk, so the desk is above the lamp.",
            "The lamp is above the desk, so the lamp is below the desk.",
            "The lamp is above the desk, so the desk is behind the lamp.",
            "The lamp is above the desk, and the desk is below the lamp.",
        ],
    ),
    "size and fit": (
        [
            "The trunk is wider than the cart, so the trunk does not fit into the cart.",
            "A drum is larger than this box. Therefore the drum cannot fit in the box.",
            "The rods are longer than the case; hence the rods won't fit inside the case.",
        ],
        [
            "The trunk is wider than the cart, so the cart does not fit into the trunk.",
            "The trunk is wider than the cart, so the trunk does fit into the cart.",
            "The trunk is older than the cart, so the trunk does not fit into the cart.",
            "The trunk is wider than the cart; the trunk does not fit into the cart.",
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
