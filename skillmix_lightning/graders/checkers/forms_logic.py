"""Checkers of the forms of logic, valid and fallacious: each step's words must be those the form asks for."""

from collections.abc import Iterator

from skillmix_lightning.graders.checkers.propositions import (
    COPULAS,
    Conditional,
    Words,
    conclusion_at,
    conditionals_at,
    denies,
    disjunctions_at,
    is_chain,
    premise_at,
    steps_of,
    term,
)
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Text


@checks("modus ponens")
def modus_ponens(text: Text) -> bool:
    """If P, then Q; P; so Q."""
    return any(
        premise == rule.antecedent and conclusion == rule.consequent for rule, premise, conclusion in _arguments(text)
    )


@checks("modus tollens")
def modus_tollens(text: Text) -> bool:
    """If P, then Q; not Q; so not P."""
    return any(
        denies(premise, rule.consequent) and denies(conclusion, rule.antecedent)
        for rule, premise, conclusion in _arguments(text)
    )


@checks("affirming the consequent")
def affirming_the_consequent(text: Text) -> bool:
    """If P, then Q; Q; so P."""
    return any(
        premise == rule.consequent and conclusion == rule.antecedent for rule, premise, conclusion in _arguments(text)
    )


@checks("denying the antecedent")
def denying_the_antecedent(text: Text) -> bool:
    """If P, then Q; not P; so not Q."""
    return any(
        denies(premise, rule.antecedent) and denies(conclusion, rule.consequent)
        for rule, premise, conclusion in _arguments(text)
    )


@checks("contraposition")
def contraposition(text: Text) -> bool:
    """If P, then Q; so if not Q, then not P."""
    steps = steps_of(text)
    return any(
        denies(turned.antecedent, rule.consequent) and denies(turned.consequent, rule.antecedent)
        for i in range(len(steps))
        for rule in conditionals_at(steps, i)
        if conclusion_at(steps, rule.end)
        for turned in conditionals_at(steps, rule.end)
    )


@checks("hypothetical syllogism")
def hypothetical_syllogism(text: Text) -> bool:
    """If P, then Q; if Q, then R; so if P, then R."""
    steps = steps_of(text)
    return any(
        second.antecedent == first.consequent
        and (whole.antecedent, whole.consequent) == (first.antecedent, second.consequent)
        for i in range(len(steps))
        for first in conditionals_at(steps, i)
        if premise_at(steps, first.end)
        for second in conditionals_at(steps, first.end)
        if conclusion_at(steps, second.end)
        for whole in conditionals_at(steps, second.end)
    )


@checks("constructive dilemma")
def constructive_dilemma(text: Text) -> bool:
    """If P, then Q; if R, then Q; P or R; so Q."""
    steps = steps_of(text)
    return any(
        first.consequent == second.consequent == conclusion_at(steps, choice.end)
        and {first.antecedent, second.antecedent} == {choice.first, choice.second}
        for i in range(len(steps))
        for first in conditionals_at(steps, i)
        if premise_at(steps, first.end)
        for second in conditionals_at(steps, first.end)
        if premise_at(steps, second.end)
        for choice in disjunctions_at(steps, second.end)
    )


@checks("disjunctive syllogism")
def disjunctive_syllogism(text: Text) -> bool:
    """Either P or Q; not P; so Q."""
    steps = steps_of(text)
    return any(
        denies(premise_at(steps, choice.end), ruled_out) and conclusion_at(steps, choice.end + 1) == left
        for i in range(len(steps))
        for choice in disjunctions_at(steps, i)
        for ruled_out, left in ((choice.first, choice.second), (choice.second, choice.first))
    )


@checks("categorical syllogism")
def categorical_syllogism(text: Text) -> bool:
    """All A are B; all B are C; so all A are C."""
    return is_chain(text, _universals)


def _arguments(text: Text) -> Iterator[tuple[Conditional, Words, Words]]:
    """Every (if-sentence, premise, conclusion) that stand directly one after the other."""
    steps = steps_of(text)
    for i in range(len(steps)):
        for rule in conditionals_at(steps, i):
            premise, conclusion = premise_at(steps, rule.end), conclusion_at(steps, rule.end + 1)
            if premise and conclusion:
                yield rule, premise, conclusion


def _universals(words: Words) -> Iterator[tuple[Words, Words, Words]]:
    """Reads "All A are B" or "every A is a B"."""
    if words[:1] not in {("all",), ("every",), ("each",)}:
        return
    for i, word in enumerate(words):
        if word in COPULAS and words[i + 1 : i + 2] != ("not",):
            yield words[1:i], (words[0], word), term(words[i + 1 :])
