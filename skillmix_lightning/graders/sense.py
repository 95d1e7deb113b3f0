"""The sense criterion as a program can check it: stated rules, each with its reason when a text breaks it.

A text makes sense if
- it has at least four words, and every word is known: to wordfreq's English list, as a number, or to the topic;
- its double quotation marks and brackets are balanced;
- every sentence opens with a capital letter or a number, and the last closes with a full stop, "?" or "!";
- nothing is repeated beyond what its figures explain: within sentences, no run of four words and no clause of three
  stands more than once plus the repeats they explain; no word stands four or more times in succession, and no whole
  sentence twice.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby

from wordfreq import zipf_frequency

from skillmix_lightning.catalogue import Topic
from skillmix_lightning.graders.text import Sentence, Text, words_of

FEWEST_WORDS = 4
MOST_IN_SUCCESSION = 3
# Of three words, plain English repeats many by chance ("near the barn"), the more the longer a text is.
RUN = 4

_PAIRS = {")": "(", "]": "[", "}": "{", "”": "“"}


def sense_problems(text: Text, topic: Topic, repeats: int = 0) -> list[str]:
    """Why a text does not make sense; empty if it does.

    Args:
        text: what the student wrote.
        topic: its vocabulary counts as known words.
        repeats: how many extra copies of a run of words are explained by the skills that the text shows.
    """
    return [
        *_too_short(text),
        *_unknown_words(text, topic),
        *_unbalanced(text.raw),
        *_badly_set(text.sentences),
        *_repetitions(text, repeats),
    ]


def _too_short(text: Text) -> Iterator[str]:
    if len(text.words) < FEWEST_WORDS:
        yield f"{len(text.words)} words, at least {FEWEST_WORDS} needed"


def _unknown_words(text: Text, topic: Topic) -> Iterator[str]:
    unknown = sorted({word for word in text.words if not _known(word) and word not in _own_words(topic)})
    if unknown:
        yield f"unknown words: {', '.join(unknown)}"


@lru_cache(maxsize=65536)
def _known(word: str) -> bool:
    return all(
        part.removesuffix("'s").isdecimal() or zipf_frequency(part, "en") > 0 for part in re.split(r"[-.,:]", word)
    )


@lru_cache(maxsize=1024)
def _own_words(topic: Topic) -> frozenset[str]:
    return frozenset(words_of(" ".join([topic.name, *(topic.words.all if topic.words else ())])))


def _unbalanced(raw: str) -> Iterator[str]:
    # Single quotation marks are left out: no rule tells ’ or ' from an apostrophe.
    open_marks: list[str] = []
    for mark in raw:
        if mark in _PAIRS.values():
            open_marks.append(mark)
        elif mark in _PAIRS and (not open_marks or open_marks.pop() != _PAIRS[mark]):
            yield f"{mark} closes nothing"
            return
    if open_marks:
        yield f"{open_marks[-1]} is never closed"
    if raw.count('"') % 2:
        yield 'an odd number of "'


def _badly_set(sentences: tuple[Sentence, ...]) -> Iterator[str]:
    for sentence in sentences:
        first = next(character for character in sentence.raw if character.isalnum())
        if first.islower():
            yield f'no capital letter opens "{_start(sentence)}"'
    if sentences and not sentences[-1].end:
        yield f'no mark closes "{_start(sentences[-1])}"'


def _repetitions(text: Text, repeats: int) -> Iterator[str]:
    for run, count in Counter(run for sentence in text.sentences for run in _runs(sentence)).items():
        if count > 1 + repeats:
            yield f'"{" ".join(run)}" stands {count} times, {1 + repeats} explained'
    for word, group in groupby(text.words):
        if (length := len(list(group))) > MOST_IN_SUCCESSION:
            yield f'"{word}" stands {length} times in succession'
    for words, count in Counter(sentence.words for sentence in text.sentences).items():
        if count > 1:
            yield f'the sentence "{" ".join(words)}" stands {count} times'


def _runs(sentence: Sentence) -> Iterator[tuple[str, ...]]:
    words = sentence.words
    yield from (words[start : start + RUN] for start in range(len(words) - RUN + 1))
    yield from (clause.words for clause in sentence.clauses if len(clause.words) == RUN - 1)


def _start(sentence: Sentence) -> str:
    return " ".join(sentence.raw.split()[:4])
