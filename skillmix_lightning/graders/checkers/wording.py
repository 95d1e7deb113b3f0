"""Checkers of figures that lie in single words and pairs of words."""

from functools import cache

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.graders.checkers.clauses import all_clauses, windows
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Text

#: "as soon as a ..." compares times and amounts, not qualities.
_NO_QUALITIES = frozenset(
    {"well", "soon", "long", "much", "many", "far", "little", "few", "often", "early", "late", "not", "same", "such"}
)
_AMOUNTS = frozenset({"thousand", "million", "billion"})


@checks("simile")
def has_simile(text: Text) -> bool:
    """The words "as", a quality, "as", "a" or "an", and a noun stand in a row."""
    return any(
        first == second == "as" and article in ("a", "an") and quality not in _NO_QUALITIES
        for clause in all_clauses(text)
        for first, quality, second, article, _ in windows(clause.words, 5)
    )


@checks("onomatopoeia")
def has_onomatopoeia(text: Text) -> bool:
    """A word of the list imitates a sound."""
    return not _sound_words().isdisjoint(text.words)


@checks("personification")
def has_personification(text: Text) -> bool:
    """A thing of the list is directly followed by a human act of the list."""
    return any(
        thing in _things() and act in _human_acts()
        for clause in all_clauses(text)
        for thing, act in windows(clause.words, 2)
    )


@checks("oxymoron")
def has_oxymoron(text: Text) -> bool:
    """A noun of the list directly follows an adjective that contradicts it."""
    return any(
        adjective in lexicon("oxymorons").get(noun, ())
        for clause in all_clauses(text)
        for adjective, noun in windows(clause.words, 2)
    )


@checks("hyperbole")
def has_hyperbole(text: Text) -> bool:
    """The words "a thousand", "a million" or "a billion" stand right before an amount of the list."""
    return any(
        article == "a" and amount in _AMOUNTS and unit in lexicon("impossible_amounts")
        for clause in all_clauses(text)
        for article, amount, unit in windows(clause.words, 3)
    )


@checks("litotes")
def has_litotes(text: Text) -> bool:
    """The word "not" stands right before a word of blame or lack from the list."""
    return any(
        negation == "not" and word in lexicon("bad_words")
        for clause in all_clauses(text)
        for negation, word in windows(clause.words, 2)
    )


@cache
def _sound_words() -> frozenset[str]:
    return frozenset(form for forms in lexicon("sound_words") for form in forms)


@cache
def _things() -> frozenset[str]:
    return frozenset(lexicon("human_acts")["things"])


@cache
def _human_acts() -> frozenset[str]:
    return frozenset(form for forms in lexicon("human_acts")["acts"] for form in forms)
