"""Finds the JSON values of a reply and reads what they say about criteria."""

import json
from collections.abc import Iterator
from typing import Any

from skillmix_lightning.graders.parse.labels import TOTAL, Labels
from skillmix_lightning.graders.parse.tables import Reading, Row

_NAME_KEYS = frozenset({"criterion", "criteria", "id", "name", "label", "item"})
_POINT_KEYS = (
    "points_earned",
    "points earned",
    "point",
    "points",
    "earned",
    "score",
    "value",
    "grade",
    "met",
    "verdict",
)
_DEEPEST = 6


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all of its pairs: a key that stands twice is two rows."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Pairs)


def read_verdicts(reply: str, labels: Labels) -> list[Reading]:
    """The JSON objects and lists that name at least one criterion, in the order of the reply.

    A verdict is an object of points by criterion id or by label, one with an object of points in place of each point,
    or a list of objects with a criterion and its points; any of these may be nested in another object.
    """
    readings = []
    place = 0
    while (place := _next_bracket(reply, place)) >= 0:
        try:
            value, end = _DECODER.raw_decode(reply, place)
        except ValueError:
            place += 1
            continue
        except RecursionError:
            break  # no verdict is nested that deeply, and every further bracket would cost as much again
        reading = Reading(place, end)
        for row in _rows(value, labels, _DEEPEST):
            if row.criteria == {TOTAL}:
                reading.totals += row.values
            else:
                reading.rows.append(row)
        if reading.rows:
            readings.append(reading)
        place = end
    return readings


def is_cut_verdict(reply: str) -> bool:
    """Whether a reply is a JSON object that never closes."""
    bare = reply.strip().removeprefix("```json").removeprefix("```").strip()
    return bare.startswith("{") and bare.count("{") > bare.count("}")


def _next_bracket(reply: str, place: int) -> int:
    found = [at for at in (reply.find("{", place), reply.find("[", place)) if at >= 0]
    return min(found, default=-1)


def _rows(value: object, labels: Labels, depth: int) -> Iterator[Row]:
    if depth == 0:
        return
    if isinstance(value, _Pairs):
        if (row := _record(value, labels)) is not None:
            yield row
            return
        for key, inner in value:
            found = labels.of_key(key)
            if found and isinstance(inner, _Pairs):
                yield Row(found, key, _points(inner))
            elif found and not isinstance(inner, list):
                yield Row(found, key, (inner,))
            else:
                yield from _rows(inner, labels, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _rows(inner, labels, depth - 1)


def _record(pairs: _Pairs, labels: Labels) -> Row | None:
    """The row of an object like {"criterion": "Text makes sense", "points": 1}, None if it is no such object."""
    names = [value for key, value in pairs if key.lower() in _NAME_KEYS and isinstance(value, str)]
    for name in names:
        if found := labels.of_key(name):
            return Row(found, name, _points(pairs))
    return None


def _points(pairs: _Pairs) -> tuple[object, ...]:
    return next(
        (values for wanted in _POINT_KEYS if (values := tuple(value for key, value in pairs if key.lower() == wanted))),
        (),
    )
