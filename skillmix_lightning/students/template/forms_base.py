"""What the writers of the forms of reasoning share: short propositions with different subjects."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.students.template.words import Words

#: Conclusions are opened by one of these.
SO = ("so", "so", "so", "therefore", "hence", "thus")
_T = TypeVar("_T")
_MOODS: list[str] = lexicon("moods")
_ABUNDANCE = ("scarce", "rare", "plentiful", "useful")


def choose(w: Words, bank: Sequence[_T]) -> _T:
    """Any element of a bank of anything; `Words.pick` is for strings."""
    return w.rng.choice(bank)


def different(draw: Callable[[], str], n: int, taken: Sequence[str] = ()) -> list[str]:
    """Draws until there are n different words, none of them taken (a bank that runs out starts anew)."""
    drawn: list[str] = []
    while len(drawn) < n:
        word = draw()
        if word not in drawn and word not in taken:
            drawn.append(word)
    return drawn


def propositions(w: Words, n: int) -> list[str]:
    """Several short propositions "<subject> is <adjective>", with different subjects and different adjectives.

    At least one, and where there is room two, are about the topic.
    """
    things = [f"the {thing}" for thing in different(w.thing, n)]
    others: tuple[str, ...] = choose(w, (("name",), ("stuff",), ("stuff", "name"), ()))[: n - 1]
    found: list[tuple[str, Callable[[], str]]] = []
    for i in range(n):
        kind = others[i] if i < len(others) else "thing"
        if kind == "name":
            found.append((w.name(), lambda: w.pick(_MOODS)))
        elif kind == "stuff":
            found.append((w.stuff(), lambda: w.pick(_ABUNDANCE)))
        else:
            found.append((things[i], w.state))
    written: list[str] = []
    adjectives: list[str] = []
    for subject, draw in found:
        adjectives += different(draw, 1, adjectives)
        written.append(f"{subject} is {adjectives[-1]}")
    w.rng.shuffle(written)
    return written


def negated(proposition: str) -> str:
    """Denies a proposition of `propositions`."""
    return proposition.replace(" is ", " is not ", 1)


def mood(w: Words) -> str:
    """An adjective that fits any person."""
    return w.pick(_MOODS)
