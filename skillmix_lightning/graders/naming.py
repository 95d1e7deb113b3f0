"""The skill-name rule: a text that names a skill earns no point for it, as in the paper."""

import re
from functools import cache

from skillmix_lightning.graders.text import Text, forms, words_of

_IN_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]")


def names_skill(text: Text, skill: str) -> bool:
    """Whether one sentence holds the words of a skill's name in succession, in any inflection and case.

    Only whole words count ("alliterations" names alliteration, "metaphorical" does not name metaphor), hyphens are as
    good as spaces, and what stands in brackets in the skill's name need not be there.
    """
    name = _name_forms(skill)
    return bool(name) and any(_holds_run(_separate(sentence.words), name) for sentence in text.sentences)


@cache
def _name_forms(skill: str) -> tuple[frozenset[str], ...]:
    return tuple(forms(word) for word in _separate(words_of(_IN_BRACKETS.sub(" ", skill))))


def _separate(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for word in words for part in word.split("-"))


def _holds_run(words: tuple[str, ...], name: tuple[frozenset[str], ...]) -> bool:
    return any(
        all(forms(word) & wanted for word, wanted in zip(words[start:], name, strict=False))
        for start in range(len(words) - len(name) + 1)
    )
