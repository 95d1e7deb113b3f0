"""Propositions as tuples of words, and the steps of an argument: what the checkers of the forms of reasoning share.

A text is read as a row of steps, one a clause, whatever mark stands between them (an argument may run over several
sentences). Two propositions are the same when their words are the same; a proposition is denied by "not" directly
behind its auxiliary.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations, pairwise
from typing import TypeAlias

import inflect

from skillmix_lightning.graders.text import Clause, Text

Words: TypeAlias = tuple[str, ...]

ARTICLES = frozenset({"the", "a", "an", "this", "that"})
COPULAS = frozenset({"is", "are", "was", "were"})
HEDGES = frozenset({"probably", "likely", "presumably"})
_AUXILIARIES = COPULAS | {
    *("am", "be", "can", "could", "will", "would", "shall", "should", "may", "might", "must"),
    *("has", "have", "had", "do", "does", "did"),
}
_FILLERS = frozenset({"and", "but", "now", "then", "yet", "though", "while"})
_CONCLUDERS = frozenset({"so", "therefore", "hence", "thus", "consequently"})
_IT_FOLLOWS = ("it", "follows", "that")
_IRREGULAR = {"won't": ("will", "not"), "can't": ("can", "not"), "cannot": ("can", "not"), "shan't": ("shall", "not")}


@dataclass(frozen=True)
class Step:
    """One clause of an argument.

    Attributes:
        words: without leading "and", "but", "now", "then" and without the word that marks a conclusion; empty for a
            question, which states nothing.
        concludes: whether "so", "therefore", "hence", "thus" or the like opens it.
    """

    words: Words
    concludes: bool = False


@dataclass(frozen=True)
class Conditional:
    """One "if <antecedent>, (then) <consequent>"; `end` is the index of the step after it."""

    antecedent: Words
    consequent: Words
    end: int


@dataclass(frozen=True)
class Disjunction:
    """One "(either) <first> or <second>"; `end` is the index of the step after it."""

    first: Words
    second: Words
    end: int


@lru_cache(maxsize=4096)
def steps_of(text: Text) -> tuple[Step, ...]:
    """The steps of a text, in order."""
    steps: list[Step] = []
    concludes = False  # carried over from a clause that is only "therefore"
    for clause in (clause for sentence in text.sentences for clause in sentence.clauses):
        for step in _steps_of_clause(clause):
            if clause.mark != "?" and not step.words:
                concludes = concludes or step.concludes
                continue
            steps.append(Step(step.words, step.concludes or concludes))
            concludes = False
    return tuple(steps)


def is_proposition(words: Words) -> bool:
    """Whether a row of words can be taken for a simple proposition: two words or more, and no "if" or "either"."""
    return len(words) >= 2 and words[0] not in {"if", "either", "or"}


def denies(one: Words, other: Words) -> bool:
    """Whether one of the two is the other with "not" put in directly behind an auxiliary."""
    short, long = sorted((one, other), key=len)
    return len(long) == len(short) + 1 and any(
        word == "not" and before in _AUXILIARIES and long[: i + 1] + long[i + 2 :] == short
        for i, (before, word) in enumerate(pairwise(long))
    )


def distinct(*propositions: Words) -> bool:
    """Whether no two of them are the same or deny each other."""
    return not any(one == other or denies(one, other) for one, other in combinations(propositions, 2))


def term(words: Words) -> Words:
    """A noun phrase without its article."""
    return words[1:] if words and words[0] in ARTICLES else words


@cache
def is_plural_of(plural: str, singular: str) -> bool:
    """Whether the first word is the plural of the second."""
    # inflect raises on words it takes for no nouns, and knows "ours" as a plural of "mine".
    if not re.fullmatch(r"[a-z][a-z'-]*", singular):
        return False
    return str(_engine().plural_noun(singular)) == plural


def same_noun(one: Words, other: Words) -> bool:
    """Whether two noun phrases without articles are equal but for the number of their last word."""
    if not one or not other or one[:-1] != other[:-1]:
        return False
    return one[-1] == other[-1] or is_plural_of(one[-1], other[-1]) or is_plural_of(other[-1], one[-1])


def premise_at(steps: tuple[Step, ...], i: int) -> Words:
    """The words of step i if it is stated without being concluded, else none."""
    return steps[i].words if i < len(steps) and not steps[i].concludes else ()


def conclusion_at(steps: tuple[Step, ...], i: int) -> Words:
    """The words of step i if it is a conclusion, else none."""
    return steps[i].words if i < len(steps) and steps[i].concludes else ()


def conditionals_at(steps: tuple[Step, ...], i: int) -> Iterator[Conditional]:
    """Reads the clauses from step i on as one "if P, (then) Q"."""
    if i >= len(steps) or steps[i].words[:1] != ("if",):
        return
    words = steps[i].words[1:]
    readings = [(words[:j], words[j + 1 :], i + 1) for j, word in enumerate(words) if word == "then"]
    readings.append((words, premise_at(steps, i + 1), i + 2))
    for antecedent, consequent, end in readings:
        if is_proposition(antecedent) and is_proposition(consequent) and distinct(antecedent, consequent):
            yield Conditional(antecedent, consequent, end)


def disjunctions_at(steps: tuple[Step, ...], i: int) -> Iterator[Disjunction]:
    """Reads the clauses from step i on as one "(either) P or Q"."""
    if i >= len(steps):
        return
    words = steps[i].words[1:] if steps[i].words[:1] == ("either",) else steps[i].words
    readings = [(words[:j], words[j + 1 :], i + 1) for j, word in enumerate(words) if word == "or"]
    if premise_at(steps, i + 1)[:1] == ("or",):
        readings.append((words, steps[i + 1].words[1:], i + 2))
    for first, second, end in readings:
        if is_proposition(first) and is_proposition(second) and distinct(first, second):
            yield Disjunction(first, second, end)


#: Reads a step as (first term, relation, second term) in every way that makes sense.
Relations: TypeAlias = Callable[[Words], Iterable[tuple[Words, Words, Words]]]


def is_chain(text: Text, relations: Relations, conclusions: Relations | None = None) -> bool:
    """Whether the text says "A relates to B; B relates to C; so A relates to C" with three different terms.

    Args:
        text: to look through.
        relations: reads the two premises.
        conclusions: reads the conclusion, if its relation is another one; its relation is then not compared.
    """
    steps = steps_of(text)
    for i in range(len(steps) - 2):
        conclusion = conclusion_at(steps, i + 2)
        if not conclusion:
            continue
        for a, relation, b in relations(steps[i].words):
            for b_again, relation_again, c in relations(premise_at(steps, i + 1)):
                if b != b_again or relation != relation_again or len({a, b, c}) < 3 or not (a and b and c):
                    continue
                for first, concluded, last in (conclusions or relations)(conclusion):
                    if (first, last) == (a, c) and (conclusions is not None or concluded == relation):
                        return True
    return False


@cache
def _engine() -> inflect.engine:
    return inflect.engine()


def _steps_of_clause(clause: Clause) -> Iterator[Step]:
    if clause.mark == "?":
        yield Step(())
        return
    words = tuple(part for word in clause.words for part in _without_contraction(word))
    # "P and so Q" without a comma is two steps; both parts must be long enough to be propositions ("it is so warm").
    start = 0
    for i, word in enumerate(words):
        if word in _CONCLUDERS and len(_stripped(words[start:i])) >= 2 and len(words) - i > 2:
            yield _step(words[start:i])
            start = i
    yield _step(words[start:])


def _step(words: Words) -> Step:
    concludes = False
    while words:
        if words[0] in _FILLERS:
            words = words[1:]
        elif words[0] in _CONCLUDERS:
            words, concludes = words[1:], True
        elif words[:3] == _IT_FOLLOWS:
            words, concludes = words[3:], True
        else:
            break
    return Step(_stripped(words), concludes)


def _stripped(words: Words) -> Words:
    while words and words[-1] in {"and", "but"}:
        words = words[:-1]
    return words


def _without_contraction(word: str) -> Words:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    return (word[:-3], "not") if word.endswith("n't") and len(word) > 3 else (word,)
