"""Fills patterns with a topic's nouns: how most writers of figures make their fragments.

A pattern is a format string. `{person}` `{thing}` `{stuff}` `{place}` draw a noun, `{people}` `{things}` its plural,
`{a_person}` `{a_thing}` the noun behind its article, `{state}` an adjective. A digit makes a noun come back:
`{thing1}`, `{things1}` and `{a_thing1}` are one noun, wherever they stand. Every other name is drawn from the bank of
that name.
"""

import re
from collections.abc import Callable, Sequence
from string import Formatter

from skillmix_lightning.students.template.words import Words, plural, with_article

_FIELD = re.compile(r"(a_)?([a-z_]+?)(\d?)")
_SINGULAR = {"people": "person", "things": "thing"}


def fill(w: Words, patterns: Sequence[str], **banks: Sequence[str]) -> str:
    """One of the patterns, filled.

    Args:
        w: where nouns come from.
        patterns: format strings.
        banks: by field name, what to draw from; nothing is drawn twice before all is drawn, and an element may itself
            have fields.
    """
    return _Filling(w, banks).of(w.pick(patterns))


class _Filling:
    def __init__(self, w: Words, banks: dict[str, Sequence[str]]) -> None:
        self._w = w
        self._banks = banks
        self._left: dict[str, list[str]] = {}
        self._kept: dict[str, str] = {}
        self._nouns: dict[str, Callable[[], str]] = {
            "person": w.person,
            "thing": w.thing,
            "stuff": w.stuff,
            "place": w.place,
            "state": w.state,
        }

    def of(self, pattern: str) -> str:
        return "".join(
            before + (self._value(field) if field else "") for before, field, _, _ in Formatter().parse(pattern)
        )

    def _value(self, field: str) -> str:
        match = _FIELD.fullmatch(field)
        assert match, f"{field} is no field"
        article, kind, digit = match.groups()
        singular = _SINGULAR.get(kind, kind)
        word = self._kept.get(singular + digit) if digit else None
        if word is None:
            word = self._draw(singular)
            if digit:
                self._kept[singular + digit] = word
        if kind in _SINGULAR:
            word = plural(word)
        return with_article(word) if article else word

    def _draw(self, kind: str) -> str:
        if kind in self._nouns:
            return self._nouns[kind]()
        left = self._left.setdefault(kind, [])
        if not left:
            left.extend(self._banks[kind])
            self._w.rng.shuffle(left)
        return self.of(left.pop())
