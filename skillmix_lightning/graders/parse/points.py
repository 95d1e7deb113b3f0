"""Reads one point: what stands in the cell of a table, or as a value of a JSON object."""

import math
import re

_MARKS = {
    **dict.fromkeys(["✓", "✔", "☑", "✅", "yes", "true", "one"], 1),
    **dict.fromkeys(["✗", "✘", "✕", "✖", "❌", "☒", "no", "false", "zero"], 0),
}
_NUMBER = re.compile(r"\+?([0-9]{1,6}(?:\.[0-9]*)?|\.[0-9]+)")
_OF_ONE = re.compile(r"\s*(?:/|\bout of\b|\bof\b)\s*(?:1(?:\.0*)?|one)(?![0-9.])")
_UNIT = re.compile(r"\s*\b(?:points?|pts?)\.?$")
_IN_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]$")
# Emphasis, code, LaTeX and quotation marks around a value, and the selector that makes a sign a coloured one.
_ORNAMENTS = re.compile(r"[*_`$\"'“”‘’\ufe0e\ufe0f]")


def read_point(cell: str) -> float | None:
    """The point in a cell, None where it holds none.

    A point is a number from 0 to 1 ("1", "0.5", "1/1", "1 out of 1", "0 points"), a tick or a cross, or one of yes, no,
    true, false, one, zero; several of these side by side count if they agree ("✓ 1"). What follows in brackets is a
    remark ("1 (see 2)") unless it is itself a point, and then it has to agree. "-1", "2", "1/2", "N.A." are no points.
    """
    value = " ".join(_ORNAMENTS.sub("", cell).split()).lower()
    remark = _IN_BRACKETS.search(value)
    if remark and remark.start():
        said = _unbracketed(remark.group(1))
        point = _unbracketed(value[: remark.start()])
        return point if said is None or said == point else None
    return _unbracketed(remark.group(1) if remark else value)


def read_value(value: object) -> float | None:
    """The point that a JSON value stands for, None where it stands for none."""
    if isinstance(value, str):
        return read_point(value)
    if isinstance(value, bool | int | float):
        return _within(float(value)) if math.isfinite(value) else None
    return None


def read_total(value: object) -> float | None:
    """A grader's own total ("5", "5/6", "5 out of 6 points"), None where there is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    number = _NUMBER.match(_ORNAMENTS.sub("", value).strip()) if isinstance(value, str) else None
    return float(number.group(1)) if number else None


def _unbracketed(value: str) -> float | None:
    value = _UNIT.sub("", _OF_ONE.sub("", value)).strip().removesuffix(".").strip()
    found = [_token(token) for token in value.split()]
    numbers = sum(bool(_NUMBER.fullmatch(token)) for token in value.split())
    return found[0] if found and numbers <= 1 and len(set(found)) == 1 else None


def _token(token: str) -> float | None:
    number = _NUMBER.fullmatch(token)
    return _within(float(number.group(1))) if number else _MARKS.get(token)


def _within(value: float) -> float | None:
    if not 0 <= value <= 1:
        return None
    return int(value) if value in (0, 1) else value
