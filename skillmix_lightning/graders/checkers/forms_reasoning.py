"""Checkers of everyday reasoning: from most to one, from some to all, from effect to cause, from A over B to C."""

from collections.abc import Iterator
from itertools import pairwise

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.graders.checkers.propositions import (
    COPULAS,
    HEDGES,
    Words,
    conclusion_at,
    conditionals_at,
    distinct,
    is_chain,
    is_plural_of,
    is_proposition,
    premise_at,
    same_noun,
    steps_of,
    term,
)
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Text

_COMPARATIVES = frozenset(word for words in lexicon("comparatives").values() for word in words)
_MOST = (("most",), ("nearly", "all"), ("almost", "all"), ("nine", "in", "ten"))
_PERHAPS = ("perhaps", "maybe", "possibly", "probably")
_CASES = 3


@checks("statistical syllogism")
def statistical_syllogism(text: Text) -> bool:
    """Most A are B; X is an A; so X is probably B."""
    steps = steps_of(text)
    return any(
        _is_case_of_most(words, premise_at(steps, i + 1), conclusion_at(steps, i + 2))
        for i in range(len(steps) - 2)
        for most in _MOST
        if (words := steps[i].words[len(most) :]) and steps[i].words[: len(most)] == most
    )


@checks("inductive generalisation")
def inductive_generalisation(text: Text) -> bool:
    """One A is B, another A is B, a third A is B; so all A are B."""
    steps = steps_of(text)
    return any(
        _generalises([step.words for step in steps[i : i + _CASES]], conclusion_at(steps, i + _CASES))
        for i in range(len(steps) - _CASES)
        if all(premise_at(steps, i + j) for j in range(1, _CASES))
    )


@checks("abductive reasoning")
def abductive_reasoning(text: Text) -> bool:
    """Q; if P, then Q; so perhaps P. The if-sentence may also come first."""
    steps = steps_of(text)
    for i in range(len(steps)):
        for rule in conditionals_at(steps, i):
            before, after = (steps[i - 1].words if i > 0 else ()), premise_at(steps, rule.end)
            guesses = []
            if before == rule.consequent:
                guesses.append(conclusion_at(steps, rule.end))
            if after == rule.consequent:
                guesses.append(conclusion_at(steps, rule.end + 1))
            if any(guess[:1] and guess[0] in _PERHAPS and guess[1:] == rule.antecedent for guess in guesses):
                return True
    return False


@checks("circular reasoning")
def circular_reasoning(text: Text) -> bool:
    """P because Q, and Q because P."""
    steps = steps_of(text)
    reasons = [list(_reasons(steps[i].words, premise_at(steps, i + 1))) for i in range(len(steps))]
    return any(
        (reason, claim) == (claim_after, reason_after)
        for i in range(len(steps))
        for claim, reason, length in reasons[i]
        if i + length < len(steps)
        for claim_after, reason_after, _ in reasons[i + length]
    )


@checks("transitive inference")
def transitive_inference(text: Text) -> bool:
    """A is older than B; B is older than C; so A is older than C."""
    return is_chain(text, _comparisons)


@checks("verbal analogy")
def verbal_analogy(text: Text) -> bool:
    """A is to B as C is to D."""
    steps = [step.words for step in steps_of(text)]
    joined = [one + other for one, other in pairwise(steps) if other[:1] in {("as",), ("what",)}]
    return any(_is_analogy(words) for words in steps + joined)


def _is_case_of_most(most: Words, case: Words, conclusion: Words) -> bool:
    for i, word in enumerate(most):
        kind, trait = term(most[1:i] if most[0] == "of" else most[:i]), most[i + 1 :]
        if word not in {"are", "were"} or not kind or not trait:
            continue
        for j, copula in enumerate(case):
            if copula not in {"is", "was"} or case[j + 1 : j + 2] not in {("a",), ("an",)}:
                continue
            named = case[j + 2 :]
            is_kind = kind[:-1] == named[:-1] and bool(named) and is_plural_of(kind[-1], named[-1])
            unhedged = [conclusion[:h] + conclusion[h + 1 :] for h, hedge in enumerate(conclusion) if hedge in HEDGES]
            if is_kind and j > 0 and case[: j + 1] + trait in unhedged:
                return True
    return False


def _generalises(cases: list[Words], conclusion: Words) -> bool:
    if conclusion[:1] not in {("all",), ("every",)} or len(set(cases)) < len(cases):
        return False
    for i, word in enumerate(conclusion):
        if word not in COPULAS or i < 2 or not conclusion[i + 1 :]:
            continue
        kind, trait = conclusion[i - 1], conclusion[i + 1 :]
        if all(_is_case(case, kind, trait) for case in cases):
            return True
    return False


def _is_case(case: Words, kind: str, trait: Words) -> bool:
    """Whether it says "<which> <kind> is <trait>" of one named case."""
    start = len(case) - len(trait) - 2
    return (
        start > 0
        and case[0] not in {"all", "every", "no"}
        and same_noun((case[start],), (kind,))
        and case[start + 1] in COPULAS
        and case[start + 2 :] == trait
    )


def _reasons(words: Words, after: Words) -> Iterator[tuple[Words, Words, int]]:
    """The readings as "<claim> because <reason>", with the number of steps they take."""
    readings = [(words[:i], words[i + 1 :], 1) for i, word in enumerate(words) if word == "because"]
    if after[:1] == ("because",):
        readings.append((words, after[1:], 2))
    for claim, reason, length in readings:
        if is_proposition(claim) and is_proposition(reason) and distinct(claim, reason):
            yield claim, reason, length


def _comparisons(words: Words) -> Iterator[tuple[Words, Words, Words]]:
    for i, word in enumerate(words):
        if word not in COPULAS or "than" not in words[i:]:
            continue
        than = words.index("than", i)
        degree = words[i + 1 : than]
        one_word = len(degree) == 1 and degree[0] in _COMPARATIVES
        if one_word or (len(degree) == 2 and degree[0] in {"more", "less"}):
            yield term(words[:i]), (*degree, "than"), term(words[than + 1 :])


def _is_analogy(words: Words) -> bool:
    for i, word in enumerate(words):
        if word not in {"as", "what"}:
            continue
        pairs = [_pair(words[:i]), _pair(words[i + 1 :])]
        terms = [part for pair in pairs for part in pair]
        if len(terms) == 4 and all(terms) and len(set(terms)) == 4:
            return True
    return False


def _pair(words: Words) -> tuple[Words, ...]:
    """Reads "A is to B" as (A, B); nothing where the words say something else."""
    for i in range(1, len(words) - 1):
        if words[i] in COPULAS and words[i + 1] == "to":
            return term(words[:i]), term(words[i + 2 :])
    return ()
