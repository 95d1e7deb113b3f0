"""Checkers of figures in which a speaker turns to somebody, cries out, doubts or corrects himself."""

from functools import cache
from itertools import pairwise

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.graders.checkers.clauses import all_clauses, final_part, opens_with, phrases
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Text

_YOU = frozenset({"you", "your", "yours", "thou", "thee", "thy"})


@checks("rhetorical question")
def has_rhetorical_question(text: Text) -> bool:
    """A sentence ends with a question, one of whose clauses opens with an opener of the list."""
    return any(
        sentence.end == "?"
        and any(opens_with(clause.words, phrases("question_openers")) for clause in final_part(sentence))
        for sentence in text.sentences
    )


@checks("ecphonesis")
def has_ecphonesis(text: Text) -> bool:
    """A sentence ends with an exclamation that opens with an interjection of the list and says something after it."""
    return _exclaims(text, "interjections")


@checks("optatio")
def has_optatio(text: Text) -> bool:
    """A sentence ends with an exclamation that opens with a wish opener of the list."""
    return _exclaims(text, "wish_openers")


@checks("apostrophe")
def has_apostrophe(text: Text) -> bool:
    """A clause opens with "O" and one to four more words; the next clause of the sentence says "you" or "your"."""
    return any(
        first.words[0] == "o" and 2 <= len(first.words) <= 5 and first.mark == "," and _YOU.intersection(second.words)
        for sentence in text.sentences
        for first, second in pairwise(sentence.clauses)
    )


@checks("aporia")
def has_aporia(text: Text) -> bool:
    """A profession of doubt of the list is directly followed by a question word."""
    return any(
        opens_with(clause.words[i:], _professions()) for clause in all_clauses(text) for i in range(len(clause.words))
    )


@checks("apophasis")
def has_apophasis(text: Text) -> bool:
    """A phrase of the list that promises silence is followed, in its clause, by what it is silent about."""
    return any(
        opens_with(clause.words[i:], phrases("omissions"))
        for clause in all_clauses(text)
        for i in range(len(clause.words))
    )


@checks("epanorthosis")
def has_epanorthosis(text: Text) -> bool:
    """A correction of the list opens a clause that is not its sentence's first and is followed by other words."""
    for sentence in text.sentences:
        words: tuple[str, ...] = ()
        for clause in reversed(sentence.clauses[1:]):
            words = clause.words + words
            if opens_with(words, phrases("corrections")) and "than" not in words[2:3]:
                return True
    return False


@cache
def _professions() -> frozenset[tuple[str, ...]]:
    words = lexicon("doubts")
    return frozenset(
        (*profession.split(), question) for profession in words["professions"] for question in words["questions"]
    )


def _exclaims(text: Text, openers: str) -> bool:
    """Whether the last part of a sentence that ends with "!" opens with a phrase of the lexicon."""
    return any(
        sentence.end == "!"
        and opens_with([word for clause in final_part(sentence) for word in clause.words], phrases(openers))
        for sentence in text.sentences
    )
