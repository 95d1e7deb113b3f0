"""Ways of walking through a text that several checkers share."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeVar

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.graders.text import Clause, Sentence, Text

#: Marks after which a sentence starts anew: what follows the last of them is the sentence's final part.
_STRONG_MARKS = frozenset(";:—")

_Item = TypeVar("_Item")


def runs_of_clauses(text: Text, length: int) -> Iterator[tuple[Clause, ...]]:
    """Every run of so many clauses in succession; a run may cross from one sentence into the next."""
    return windows(list(all_clauses(text)), length)


def all_clauses(text: Text) -> Iterator[Clause]:
    """Every clause of a text."""
    return (clause for sentence in text.sentences for clause in sentence.clauses)


def all_differ(clauses: Sequence[Clause]) -> bool:
    """Whether no two clauses say the same words: saying one thing again and again is no figure of clauses."""
    return len({clause.words for clause in clauses}) == len(clauses)


def final_part(sentence: Sentence) -> tuple[Clause, ...]:
    """The clauses after the sentence's last semicolon, colon or dash."""
    clauses = sentence.clauses
    starts = [i + 1 for i, clause in enumerate(clauses[:-1]) if clause.mark in _STRONG_MARKS]
    return clauses[starts[-1] if starts else 0 :]


@cache
def phrases(lexicon_name: str) -> frozenset[tuple[str, ...]]:
    """The phrases of a lexicon that is a plain list, as tuples of words."""
    return frozenset(tuple(phrase.split()) for phrase in lexicon(lexicon_name))


def opens_with(words: Sequence[str], openers: frozenset[tuple[str, ...]]) -> bool:
    """Whether the words open with one of the phrases and go on after it."""
    return any(len(words) > len(opener) and tuple(words[: len(opener)]) == opener for opener in openers)


def windows(items: Sequence[_Item], length: int) -> Iterator[tuple[_Item, ...]]:
    """Every run of so many items."""
    return (tuple(items[i : i + length]) for i in range(len(items) - length + 1))
