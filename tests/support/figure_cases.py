"""Cases by hand for checkers of figures: texts that show a skill, and near misses that do not."""

from dataclasses import dataclass

from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.text import parse

NEUTRAL = "Mr. Hall sold the garage in March."


@dataclass(frozen=True)
class Cases:
    """By hand, for one skill."""

    shows: tuple[str, ...]
    near_misses: tuple[str, ...]


def rows(cases: dict[str, Cases]) -> list[tuple[str, str, bool]]:
    """(skill, text, whether it shows the skill), for `pytest.mark.parametrize`."""
    for skill, by_hand in cases.items():
        assert len(by_hand.shows) >= 3, f"{skill} has too few texts that show it"
        assert len(by_hand.near_misses) >= 4, f"{skill} has too few near misses"
    return [
        (skill, text, expected)
        for skill, by_hand in cases.items()
        for expected, texts in ((True, by_hand.shows), (False, by_hand.near_misses))
        for text in texts
    ]


def answers(skill: str, text: str) -> set[bool]:
    """What the checker says of a text as it stands, in other cases, and with a neutral sentence before or after it."""
    variants = (text, text.upper(), text.lower(), f"{NEUTRAL} {text}", f"{text} {NEUTRAL}", f"{NEUTRAL}\n{text}")
    return {CHECKERS[skill](parse(variant)) for variant in variants}
