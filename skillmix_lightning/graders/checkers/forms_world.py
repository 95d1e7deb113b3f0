"""Checkers of common sense and physical knowledge: order in time, means, and where things are."""

from collections.abc import Iterator

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.graders.checkers.propositions import (
    COPULAS,
    Words,
    conclusion_at,
    is_chain,
    steps_of,
    term,
)
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Text, words_of

_SIZES = frozenset(lexicon("comparatives")["sizes"])
_PLACES = [(words_of(one), words_of(other)) for one, other in lexicon("opposites")]
_INSIDE = frozenset({"in", "inside", "within", "into"})


@checks("temporal ordering")
def temporal_ordering(text: Text) -> bool:
    """A came before B; B came before C; so A came before C."""
    return is_chain(text, _in_time)


@checks("containment inference")
def containment_inference(text: Text) -> bool:
    """A is in B; B is in C; so A is in C."""
    return is_chain(text, lambda words: _located(words, (("in",), ("inside",), ("within",))))


@checks("stacking inference")
def stacking_inference(text: Text) -> bool:
    """A is on B; B is on C; so A is above C."""
    return is_chain(
        text,
        lambda words: _located(words, (("on",), ("upon",), ("on", "top", "of"))),
        lambda words: _located(words, (("above",), ("over",))),
    )


@checks("spatial converse")
def spatial_converse(text: Text) -> bool:
    """A is above B, so B is below A."""
    steps = steps_of(text)
    pairs = _PLACES + [(other, one) for one, other in _PLACES]
    return any(
        first != second and conclusion == (*second, verb, *opposite, *first)
        for i in range(len(steps))
        if (conclusion := conclusion_at(steps, i + 1))
        for place, opposite in pairs
        for first, verb, second in _split(steps[i].words, place)
    )


@checks("size and fit")
def size_and_fit(text: Text) -> bool:
    """A is larger than B, so A does not fit into B."""
    steps = steps_of(text)
    return any(
        (large, small) == fitting
        for i in range(len(steps))
        for large, small in _larger(steps[i].words)
        for fitting in _not_fitting(conclusion_at(steps, i + 1))
    )


@checks("lack of means")
def lack_of_means(text: Text) -> bool:
    """S has no X, so S cannot use (sell, lend ...) an X."""
    steps = steps_of(text)
    for i in range(len(steps)):
        words, conclusion = steps[i].words, conclusion_at(steps, i + 1)
        for j in range(1, len(words) - 2):
            if words[j] not in {"has", "have", "had"} or words[j + 1] != "no":
                continue
            subject, lacking = words[:j], words[j + 2 :]
            verb_at = j + 2
            if conclusion[:verb_at] not in {(*subject, "can", "not"), (*subject, "could", "not")}:
                continue
            thing = conclusion[verb_at + 1 :]
            if lacking in (thing, term(thing), thing[1:] if thing[:1] == ("any",) else thing):
                return True
    return False


def _in_time(words: Words) -> Iterator[tuple[Words, Words, Words]]:
    """Reads "A <verb> before B", with a verb of one or two words."""
    for i, word in enumerate(words):
        if word in {"before", "after"}:
            for length in (1, 2):
                if i > length:
                    yield term(words[: i - length]), words[i - length : i + 1], term(words[i + 1 :])


def _located(words: Words, places: tuple[Words, ...]) -> Iterator[tuple[Words, Words, Words]]:
    """Reads "A is <place> B"; all of the places count as the same relation."""
    for i in range(1, len(words) - 2):
        if words[i] not in COPULAS:
            continue
        for place in places:
            if words[i + 1 : i + 1 + len(place)] == place:
                yield term(words[:i]), places[0], term(words[i + 1 + len(place) :])


def _split(words: Words, place: Words) -> Iterator[tuple[Words, str, Words]]:
    """Reads "A <verb> <place> B" as (A, verb, B)."""
    for i in range(2, len(words) - len(place)):
        if words[i : i + len(place)] == place:
            yield words[: i - 1], words[i - 1], words[i + len(place) :]


def _larger(words: Words) -> Iterator[tuple[Words, Words]]:
    for i in range(1, len(words) - 3):
        if words[i] in COPULAS and words[i + 1] in _SIZES and words[i + 2] == "than":
            yield term(words[:i]), term(words[i + 3 :])


def _not_fitting(words: Words) -> Iterator[tuple[Words, Words]]:
    for i in range(2, len(words) - 3):
        if words[i] == "not" and words[i + 1] == "fit" and words[i + 2] in _INSIDE:
            yield term(words[: i - 1]), term(words[i + 3 :])
