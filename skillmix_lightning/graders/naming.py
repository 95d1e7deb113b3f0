"""The skill-name rule: a text that names a skill earns no point for it, as in the paper."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from skillmix_lightning.graders.text import Text, forms, words_of

_IN_BRACKETS = re.compile(r"\([^)]*(?:\)|\Z)|\[[^\]]*(?:\]|\Z)")
_SHORT = 5  # letters; only in short words does an inflection change more than the end ("men", "geese", "teeth")
_ENDING = 3


def names_skill(text: Text, skill: str) -> bool:
    """Whether one sentence holds the words of a skill's name in succession, in any inflection and case.

    Only whole words count ("alliterations" names alliteration, "metaphorical" does not name metaphor), hyphens are as
    good as spaces, and what stands in brackets in the skill's name need not be there.
    """
    return bool(named_skills(text, [skill]))


def named_skills(text: Text, skills: Iterable[str]) -> tuple[str, ...]:
    """Those of the skills that a text names, in their order."""
    sentences = [tuple(map(_bare, _separate(sentence.words))) for sentence in text.sentences]
    return tuple(skill for skill in skills if any(_holds_run(words, _name_words(skill)) for words in sentences))


@cache
def _name_words(skill: str) -> tuple[str, ...]:
    return tuple(map(_bare, _separate(words_of(_IN_BRACKETS.sub(" ", skill)))))


def _separate(words: tuple[str, ...]) -> Iterator[str]:
    return (part for word in words for part in word.split("-"))


def _bare(word: str) -> str:
    return word.removesuffix("'s").strip("'")


def _holds_run(words: tuple[str, ...], name: tuple[str, ...]) -> bool:
    if not name:
        return False
    first = name[0][:1]
    for start in range(len(words) - len(name) + 1):
        if words[start][:1] == first:
            run = words[start : start + len(name)]
            # Loading the dictionary takes longer than checking a thousand texts: it is asked last.
            if all(map(_may_be_form, run, name)) and all(map(_is_form, run, name)):
                return True
    return False


def _may_be_form(word: str, wanted: str) -> bool:
    if len(word) <= _SHORT and len(wanted) <= _SHORT:
        return word[:1] == wanted[:1]
    return word.startswith(wanted[: max(_ENDING, len(wanted) - _ENDING)])


def _is_form(word: str, wanted: str) -> bool:
    return word == wanted or word in _plurals(wanted) or bool(forms(word) & forms(wanted))


@cache
def _plurals(word: str) -> frozenset[str]:
    """Regular plurals, English and Greek: the dictionary lacks those of rare figures ("epanalepses", "asyndeta")."""
    plurals = {f"{word}s", f"{word}es"}
    for ending, plural in (("is", "es"), ("y", "ies"), ("on", "a")):
        if word.endswith(ending):
            plurals.add(word.removesuffix(ending) + plural)
    return frozenset(plurals)
