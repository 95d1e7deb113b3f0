"""Checkers of sums in words. Numbers may be words or digits, from 0 to 199."""

from collections.abc import Iterator

import inflect

from skillmix_lightning.graders.checkers.propositions import (
    COPULAS,
    Words,
    conclusion_at,
    premise_at,
    same_noun,
    steps_of,
)
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Text, words_of

_LARGEST = 199
_ENGINE = inflect.engine()
_NUMBERS: dict[Words, int] = {
    words_of(written): number
    for number in range(_LARGEST + 1)
    for written in (str(number), str(_ENGINE.number_to_words(number, andword="")))  # type: ignore[arg-type]
}
_MAGNITUDES = frozenset({"hundred", "thousand", "million", "billion", "dozen"})
_LONGEST = max(map(len, _NUMBERS))
_MAKES = (("make",), ("makes",), ("are",), ("is",), ("equal",), ("equals",), ("give",), ("gives",))


@checks("addition in words")
def addition_in_words(text: Text) -> bool:
    """N things and M things make N + M things."""
    return any(
        _is_right_sum(step.words[start:])
        for step in steps_of(text)
        for start in range(len(step.words))
        if start == 0 or not _is_number_word(step.words[start - 1])  # "one hundred five" does not open with "five"
    )


@checks("counting the rest")
def counting_the_rest(text: Text) -> bool:
    """Of N things, M are so, so N - M are not so."""
    steps = steps_of(text)
    for i in range(len(steps) - 2):
        words = steps[i].words[1:] if steps[i].words[:1] == ("of",) else ()
        words = words[1:] if words[:1] == ("the",) else words
        for whole, things in _quantities(words):
            for part, trait in _quantities(premise_at(steps, i + 1)):
                for rest, other_trait in _quantities(conclusion_at(steps, i + 2)):
                    if (
                        things
                        and whole == part + rest
                        and len(trait) > 1
                        and trait[0] in COPULAS
                        and other_trait[:1] in {("is",), ("are",), ("was",), ("were",)}
                        and other_trait[1:] == ("not", *trait[1:])
                    ):
                        return True
    return False


def _is_right_sum(words: Words) -> bool:
    for first, after in _quantities(words):
        for i, word in enumerate(after):
            if word not in {"and", "plus"}:
                continue
            for second, rest in _quantities(after[i + 1 :]):
                for j in range(len(rest)):
                    if (rest[j],) not in _MAKES:
                        continue
                    for total, end in _quantities(rest[j + 1 :]):
                        nouns = [_noun(after[:i]), _noun(rest[:j]), _noun(end)]
                        if first + second == total and _agree([noun for noun in nouns if noun]):
                            return True
    return False


def _quantities(words: Words) -> Iterator[tuple[int, Words]]:
    """The longest number the words open with, and what follows it."""
    for length in range(min(_LONGEST, len(words)), 0, -1):
        if words[:length] in _NUMBERS:
            if words[length : length + 1] == () or not _is_number_word(words[length]):
                yield _NUMBERS[words[:length]], words[length:]
            return


def _is_number_word(word: str) -> bool:
    return word in _MAGNITUDES or (word,) in _NUMBERS


def _noun(words: Words) -> Words:
    return words[1:] if words[:1] == ("more",) else words


def _agree(nouns: list[Words]) -> bool:
    """Whether what is added is named at least once, and is the same thing throughout."""
    return bool(nouns) and all(same_noun(nouns[0], noun) for noun in nouns)
