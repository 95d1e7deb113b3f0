"""Checkers of figures that repeat a word or its root."""

from functools import cache
from itertools import combinations

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.graders.checkers.clauses import all_clauses, all_differ, runs_of_clauses, windows
from skillmix_lightning.graders.checkers.function_words import COORDINATORS, is_content
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Sentence, Text


@checks("anaphora")
def has_anaphora(text: Text) -> bool:
    """Three different clauses in succession, longer than two words, open with the same two words."""
    return any(
        all_differ(run)
        and all(len(clause.words) > 2 for clause in run)
        and len({clause.words[:2] for clause in run}) == 1
        for run in runs_of_clauses(text, 3)
    )


@checks("epistrophe")
def has_epistrophe(text: Text) -> bool:
    """Three different clauses in succession, of two words or more, end with the same word."""
    return any(
        all_differ(run)
        and all(len(clause.words) > 1 for clause in run)
        and len({clause.words[-1] for clause in run}) == 1
        for run in runs_of_clauses(text, 3)
    )


@checks("epizeuxis")
def has_epizeuxis(text: Text) -> bool:
    """The same word stands three or more times in succession, with nothing but commas between."""
    return any(
        first == second == third and {after_first, after_second} <= {"", ","}
        for sentence in text.sentences
        for (first, after_first), (second, after_second), (third, _) in windows(_marked_words(sentence), 3)
    )


@checks("anadiplosis")
def has_anadiplosis(text: Text) -> bool:
    """A clause ends with a content word and the next clause opens with it; both have three words or more."""
    return any(
        len(first.words) > 2
        and len(second.words) > 2
        and first.words[-1] == second.words[0]
        and is_content(second.words[0])
        for first, second in runs_of_clauses(text, 2)
    )


@checks("antimetabole")
def has_antimetabole(text: Text) -> bool:
    """Two content words of a clause come back in the next clause in reverse order."""
    return any(_crosses(first.words, second.words) for first, second in runs_of_clauses(text, 2))


@checks("epanalepsis")
def has_epanalepsis(text: Text) -> bool:
    """A clause of three words or more opens and ends with the same content word."""
    return any(
        len(clause.words) > 2
        and clause.words[0] == clause.words[-1]
        and is_content(clause.words[0])
        and len(set(clause.words)) > 1
        for clause in all_clauses(text)
    )


@checks("diacope")
def has_diacope(text: Text) -> bool:
    """A content word, a comma, one or two other words, none a coordinator such as "and", then the same word again."""
    for sentence in text.sentences:
        marked = _marked_words(sentence)
        for i, (word, mark) in enumerate(marked):
            if mark != "," or not is_content(word):
                continue
            for gap in (1, 2):
                between = marked[i + 1 : i + 1 + gap]
                back = marked[i + 1 + gap : i + 2 + gap]
                if (
                    back
                    and back[0][0] == word
                    and all(other not in {word, *COORDINATORS} and not after for other, after in between)
                ):
                    return True
    return False


@checks("polyptoton")
def has_polyptoton(text: Text) -> bool:
    """One clause holds two different words of one family of the list."""
    return any(len(family.intersection(clause.words)) > 1 for clause in all_clauses(text) for family in _families())


@cache
def _families() -> tuple[frozenset[str], ...]:
    return tuple(frozenset(family) for family in lexicon("word_families"))


def _marked_words(sentence: Sentence) -> list[tuple[str, str]]:
    """The words of a sentence, each with the mark that follows it ("" inside a clause)."""
    return [
        (word, clause.mark if i == len(clause.words) - 1 else "")
        for clause in sentence.clauses
        for i, word in enumerate(clause.words)
    ]


def _crosses(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    shared = [word for word in dict.fromkeys(first) if word in second and is_content(word)]
    return any(_before(a, b, first) and _before(b, a, second) for a, b in _ordered_pairs(shared))


def _ordered_pairs(words: list[str]) -> list[tuple[str, str]]:
    return [pair for a, b in combinations(words, 2) for pair in ((a, b), (b, a))]


def _before(a: str, b: str, words: tuple[str, ...]) -> bool:
    """Whether some `a` stands before some `b`."""
    return words.index(a) < max(i for i, word in enumerate(words) if word == b)
