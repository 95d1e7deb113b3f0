"""Checkers of figures that lie in how words and clauses are arranged."""

import re
from functools import cache
from itertools import pairwise

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.graders.checkers.clauses import all_clauses, all_differ, runs_of_clauses, windows
from skillmix_lightning.graders.checkers.function_words import COORDINATORS
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Clause, Sentence, Text, words_of

_BRACKETS = re.compile(r"\(([^()]+)\)")
_BEFORE_THE_NOUN = frozenset(
    {
        "the",
        "a",
        "an",
        "my",
        "your",
        "his",
        "her",
        "its",
        "our",
        "their",
        "every",
        "each",
        "this",
        "that",
        "these",
        "those",
    }
)


@checks("polysyndeton")
def has_polysyndeton(text: Text) -> bool:
    """One clause holds "and", or "or", three times or more, each time between other words."""
    return any(_joins(clause.words, joiner) >= 3 for clause in all_clauses(text) for joiner in ("and", "or"))


@checks("asyndeton")
def has_asyndeton(text: Text) -> bool:
    """Three different clauses of equal length (2 to 5 words), only commas between, no conjunction in or after them."""
    return any(
        _is_asyndeton(sentence.clauses[i : i + 3], sentence.clauses[i + 3 : i + 4])
        for sentence in text.sentences
        for i in range(len(sentence.clauses) - 2)
    )


@checks("tricolon")
def has_tricolon(text: Text) -> bool:
    """Three different clauses of equal length (3 words or more), commas between, the last after an uncounted "and"."""
    for first, second, third in runs_of_clauses(text, 3):
        bodies = (first.words, second.words, third.words[1:])
        if (
            first.mark == second.mark == ","
            and third.words[0] == "and"
            and second.words[0] not in COORDINATORS
            and len({len(body) for body in bodies}) == 1
            and len(bodies[0]) >= 3
            and len(set(bodies)) == 3
        ):
            return True
    return False


@checks("antithesis")
def has_antithesis(text: Text) -> bool:
    """Two neighbouring clauses of equal length, three words or more, hold opposites in the same place."""
    for first, second in runs_of_clauses(text, 2):
        one, two = first.words, second.words
        if two[0] in ("but", "and", "yet", "while"):
            two = two[1:]
        if len(one) == len(two) >= 3 and any(pair in _antonyms() for pair in zip(one, two, strict=True)):
            return True
    return False


@checks("enumeratio")
def has_enumeratio(text: Text) -> bool:
    """Three clauses of one sentence, in order, open with first(ly), second(ly) and third(ly)."""
    for sentence in text.sentences:
        openers = [clause.words[0].removesuffix("ly") for clause in sentence.clauses]
        if "first" in openers:
            rest = openers[openers.index("first") + 1 :]
            if "second" in rest and "third" in rest[rest.index("second") + 1 :]:
                return True
    return False


@checks("parenthesis")
def has_parenthesis(text: Text) -> bool:
    """An aside of two words or more stands between brackets or paired dashes inside a sentence."""
    return any(_has_bracketed(sentence.raw) or _has_dashed(sentence) for sentence in text.sentences)


@checks("anastrophe")
def has_anastrophe(text: Text) -> bool:
    """A clause opens with an adjective of the list, then is/are/was/were, then an article or its like."""
    return any(
        len(words) > 3
        and words[0] in _qualities()
        and words[1] in ("is", "are", "was", "were")
        and words[2] in _BEFORE_THE_NOUN
        for words in (clause.words for clause in all_clauses(text))
    )


@cache
def _antonyms() -> frozenset[tuple[str, str]]:
    return frozenset(pair for a, b in lexicon("antonyms") for pair in ((a, b), (b, a)))


@cache
def _qualities() -> frozenset[str]:
    return frozenset(lexicon("qualities"))


def _joins(words: tuple[str, ...], joiner: str) -> int:
    return sum(word == joiner and before != joiner != after for before, word, after in windows(words, 3))


def _is_asyndeton(run: tuple[Clause, ...], after: tuple[Clause, ...]) -> bool:
    joined_on = run[2].mark == "," and after and after[0].words[0] in COORDINATORS
    return (
        run[0].mark == run[1].mark == ","
        and len({len(clause.words) for clause in run}) == 1
        and 2 <= len(run[0].words) <= 5
        and all_differ(run)
        and not any(COORDINATORS.intersection(clause.words) for clause in run)
        and not joined_on
    )


def _has_bracketed(raw: str) -> bool:
    return any(
        len(words_of(aside.group(1))) > 1 and words_of(raw[: aside.start()]) and words_of(raw[aside.end() :])
        for aside in _BRACKETS.finditer(raw)
    )


def _has_dashed(sentence: Sentence) -> bool:
    """Whether clauses of two words or more stand between two dashes, with only commas inside and words after."""
    dashes = [i for i, clause in enumerate(sentence.clauses[:-1]) if clause.mark == "—"]
    return any(
        all(clause.mark == "," for clause in sentence.clauses[start + 1 : end])
        and sum(len(clause.words) for clause in sentence.clauses[start + 1 : end + 1]) > 1
        for start, end in pairwise(dashes)
    )
