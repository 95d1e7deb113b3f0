"""The words a fragment is made of: a topic's nouns and a few general banks, drawn without repeats within a text."""

import random
from collections.abc import Sequence
from functools import cache

import inflect

from skillmix_lightning.catalogue import Topic, lexicon


@cache
def _inflect() -> inflect.engine:
    return inflect.engine()


@cache
def plural(noun: str) -> str:
    """The plural of a singular noun."""
    return str(_inflect().plural_noun(noun))


@cache
def with_article(noun: str) -> str:
    """The noun behind "a" or "an"."""
    return str(_inflect().a(noun))


class Words:
    """A source of words for one text; each noun of the topic comes once until all have come.

    Args:
        topic: must have `words`.
        rng: decides everything.
    """

    def __init__(self, topic: Topic, rng: random.Random) -> None:
        assert topic.words is not None, f"the topic {topic.name} has no vocabulary"
        self.topic = topic
        self.rng = rng
        self._left: dict[str, list[str]] = {}

    def pick(self, bank: Sequence[str]) -> str:
        """Any element of a bank."""
        return self.rng.choice(bank)

    def person(self) -> str:
        """A person of the topic, singular, without an article."""
        return self._next("people")

    def thing(self) -> str:
        """A thing of the topic, singular, without an article."""
        return self._next("things")

    def things(self) -> str:
        """A thing of the topic, plural."""
        return plural(self.thing())

    def people(self) -> str:
        """A person of the topic, plural."""
        return plural(self.person())

    def stuff(self) -> str:
        """A mass noun of the topic."""
        return self._next("stuff")

    def place(self) -> str:
        """A place of the topic, singular, without an article."""
        return self._next("places")

    def name(self) -> str:
        """A person's first name."""
        return self._draw("names", lexicon("names"))

    def state(self) -> str:
        """An adjective that fits after "the <thing> is" for any concrete thing."""
        return self._draw("states", lexicon("states"))

    def _next(self, kind: str) -> str:
        return self._draw(kind, getattr(self.topic.words, kind))

    def _draw(self, kind: str, bank: Sequence[str]) -> str:
        left = self._left.setdefault(kind, [])
        if not left:
            left.extend(bank)
            self.rng.shuffle(left)
        return left.pop()
