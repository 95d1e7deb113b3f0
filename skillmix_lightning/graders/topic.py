"""The topic criterion: does a text pertain to its topic?

It does if it names the topic (every word of the topic's name but articles and the like, anywhere), or if it holds at
least two different words of the topic's vocabulary. Inflections count as the word itself.
"""

from functools import lru_cache

import inflect

from skillmix_lightning.catalogue import Topic
from skillmix_lightning.graders.text import Text, forms, words_of

WORDS_NEEDED = 2

_FORM_WORDS = frozenset({"a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"})
_INFLECT = inflect.engine()

#: A word or phrase of a vocabulary: for each of its words, the forms that stand for it.
_Entry = tuple[frozenset[str], ...]


def topic_problems(text: Text, topic: Topic) -> list[str]:
    """Why a text does not pertain to a topic; empty if it does."""
    words = _forms_in(text)
    if all(any(word & wanted for word in words) for wanted in _vocabulary(topic)[0]):
        return []
    held = topic_words(text, topic)
    if len(held) >= WORDS_NEEDED:
        return []
    return [f"the topic's words in it: {', '.join(held) or 'none'}; {WORDS_NEEDED} are needed, or its name"]


def topic_words(text: Text, topic: Topic) -> list[str]:
    """The different words of a topic's vocabulary or name that a text holds, as the text has them.

    Words of one root ("garden", "gardens") are one word.
    """
    words = _forms_in(text)
    spelled = _words(text)
    found: dict[str, frozenset[str]] = {}
    for entry in _vocabulary(topic)[1]:
        for start in range(len(words) - len(entry) + 1):
            run = words[start : start + len(entry)]
            if all(word & wanted for word, wanted in zip(run, entry, strict=True)):
                all_forms = frozenset().union(*run)
                if not any(all_forms & others for others in found.values()):
                    found[" ".join(spelled[start : start + len(entry)])] = all_forms
    return sorted(found)


def _words(text: Text) -> list[str]:
    return [part for word in text.words for part in word.split("-")]


def _forms_in(text: Text) -> list[frozenset[str]]:
    return [forms(word) for word in _words(text)]


@lru_cache(maxsize=1024)
def _vocabulary(topic: Topic) -> tuple[_Entry, tuple[_Entry, ...]]:
    """The content words of the topic's name, and all its entries."""
    name = tuple(_accepted(word) for word in words_of(topic.name.replace("-", " ")) if word not in _FORM_WORDS)
    # longest first, so that "queen bee" counts as itself and not as "bee"
    phrases = sorted(topic.words.all if topic.words else (), key=lambda phrase: (-len(phrase.split()), phrase))
    entries = [tuple(map(_accepted, words_of(phrase.replace("-", " ")))) for phrase in phrases]
    return name, (*entries, *((word,) for word in name))


def _accepted(word: str) -> frozenset[str]:
    # A plural can be another word's dictionary form first ("leaves" of "leave"), so plurals are added as such.
    return forms(word) | {_INFLECT.plural_noun(word).lower()}
