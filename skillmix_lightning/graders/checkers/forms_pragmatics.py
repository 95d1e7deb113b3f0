"""Checkers of pragmatics: what a wording implies, takes back or takes for granted."""

from collections.abc import Iterator

from skillmix_lightning.graders.checkers.forms_mind import attitudes
from skillmix_lightning.graders.checkers.propositions import (
    COPULAS,
    Words,
    conclusion_at,
    premise_at,
    steps_of,
)
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Text

_IN_FACT = ("in", "fact")


@checks("scalar implicature")
def scalar_implicature(text: Text) -> bool:
    """Some A are B, so not all A are B."""
    steps = steps_of(text)
    return any(
        conclusion_at(steps, i + 1) == ("not", "all", *claim)
        for i in range(len(steps))
        for claim in _claims_of_some(steps[i].words)
    )


@checks("implicature cancellation")
def implicature_cancellation(text: Text) -> bool:
    """Some A are B, in fact all A are B."""
    steps = steps_of(text)
    for i in range(len(steps)):
        correction = premise_at(steps, i + 1)
        if correction == _IN_FACT:
            correction += premise_at(steps, i + 2)
        if any(correction == (*_IN_FACT, "all", *claim) for claim in _claims_of_some(steps[i].words)):
            return True
    return False


@checks("presupposition of again")
def presupposition_of_again(text: Text) -> bool:
    """S did it again, so S had done it before."""
    steps = steps_of(text)
    for i in range(len(steps)):
        words, conclusion = steps[i].words, conclusion_at(steps, i + 1)
        if len(words) < 4 or words[-1] != "again" or conclusion[-1:] != ("before",):
            continue
        earlier = conclusion[:-1]
        if any(
            word == "had" and earlier[:j] + earlier[j + 1 :] == words[:-1] for j, word in enumerate(earlier) if j > 0
        ):
            return True
    return False


@checks("factive presupposition")
def factive_presupposition(text: Text) -> bool:
    """Somebody forgot (noticed, regretted ...) that P, so P."""
    steps = steps_of(text)
    return any(
        content == conclusion_at(steps, i + 1)
        for i in range(len(steps))
        for _, content in attitudes(steps[i].words, "factives")
    )


def _claims_of_some(words: Words) -> Iterator[Words]:
    """What follows "some" in "some A are B"."""
    if words[:1] == ("some",) and any(word in COPULAS for word in words[2:-1]):
        yield words[1:]
