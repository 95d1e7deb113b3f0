"""Finds the tables of a reply and reads their rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from skillmix_lightning.graders.parse.labels import TOTAL, Labels

_PIPE = re.compile(r"(?<!\\)\|")
_LAST_PIPE = re.compile(r"(?<!\\)\|$")
_RULE = re.compile(r"[\s|:+=—–-]*")
_NUMBERING = re.compile(r"\W*[0-9]{1,2}\W*")
_EARNED = re.compile(r"\b(?:earned|awarded|given|obtained|received|assigned|granted|achieved)\b", re.IGNORECASE)
_POINTS = re.compile(
    r"\b(?:points?|pts?|scores?|grades?|marks?|verdict|results?|met|satisfied|value)\b|y/n|yes", re.IGNORECASE
)
_POSSIBLE = re.compile(r"\b(?:max|maximum|possible|available|worth|weight|out of)\b", re.IGNORECASE)
_CRITERIA = re.compile(r"\b(?:criteri(?:a|on|ons)|requirements?|rubric|items?|skills?|aspects?)\b", re.IGNORECASE)
_BRACKETED = re.compile(r"\([^()]*\)")
_LONGEST_LINE = 4000  # no row is that long; keeps a reply of nothing but pipes from costing time


@dataclass(frozen=True)
class Row:
    """One criterion's row: the criteria its name can mean, and the values that can be its point."""

    criteria: frozenset[str]
    name: str
    values: tuple[object, ...]


@dataclass
class Reading:
    """What one table or JSON value says about a rubric.

    Attributes:
        start: where it begins in the reply.
        end: where it ends.
        rows: of criteria, in order.
        totals: the values of total rows.
        cut: whether it ends with a row that is not finished.
    """

    start: int
    end: int
    rows: list[Row] = field(default_factory=list)
    totals: list[object] = field(default_factory=list)
    cut: bool = False


@dataclass
class _Columns:
    """Where points stand, counted from the name's column; None where the header does not say."""

    points: int | None = None
    never: frozenset[int] = frozenset()


def read_tables(reply: str, labels: Labels, cut: bool) -> list[Reading]:
    """The tables with at least one row of a criterion, in the order of the reply.

    Args:
        reply: what the grader wrote.
        labels: the criteria.
        cut: whether a token limit ended the reply; a last line without its closing pipe is then no row, since its point
            may have lost digits.
    """
    readings = []
    for lines in _blocks(reply):
        reading = _read_block(lines, labels, cut, len(reply.rstrip()))
        if reading.rows:
            readings.append(reading)
    return readings


def _blocks(reply: str) -> Iterator[list[tuple[int, str]]]:
    """Runs of lines with a pipe, each line with its place; blank lines do not end a run, a second header does."""
    lines: list[tuple[int, str]] = []
    start = 0
    for raw in reply.split("\n"):
        line = raw.strip().lstrip(">").strip()
        if _PIPE.search(line) and len(line) <= _LONGEST_LINE:
            # A rule below a later line makes that line the header of a table of its own.
            if _is_rule(line) and len(lines) > 2:
                yield lines[:-1]
                lines = lines[-1:]
            lines.append((start, line))
        elif line and lines and not _is_rule(line):
            yield lines
            lines = []
        start += len(raw) + 1
    if lines:
        yield lines


def _read_block(lines: list[tuple[int, str]], labels: Labels, cut: bool, end_of_reply: int) -> Reading:
    start, last = lines[0][0], lines[-1]
    reading = Reading(start, last[0] + len(last[1]))
    at_the_end = reading.end >= end_of_reply
    columns = _Columns()
    for place, line in lines:
        cells = _cells(line)
        if _is_rule(line):
            continue
        is_last = at_the_end and place == last[0]
        if is_last and (len(cells) < 2 or (cut and not line.endswith("|"))):
            reading.cut = True
            continue
        row = _read_row(cells, labels, columns)
        if row is None:
            if not reading.rows and (header := _header(cells)):
                columns = header
        elif row.criteria == {TOTAL}:
            reading.totals += row.values[:1]
        else:
            reading.rows.append(row)
    return reading


def _read_row(cells: list[str], labels: Labels, columns: _Columns) -> Row | None:
    firsts = (0, 1) if len(cells) > 1 and _NUMBERING.fullmatch(cells[0]) else (0,)
    for first in firsts:
        # A name may hold pipes that the grader did not escape: the longest run of cells that spells one is the name.
        for last in range(min(len(cells), first + 1 + labels.most_pipes), first + 1, -1):
            name = "|".join(cells[first:last])
            if found := labels.spelled(name):
                return Row(found, name, _values(cells[last:], columns))
        if found := labels.of_row(cells[first]):
            return Row(found, cells[first], _values(cells[first + 1 :], columns))
    return None


def _values(cells: list[str], columns: _Columns) -> tuple[object, ...]:
    """The cells that can hold the point: the header's column for it, or all that no header rules out."""
    if columns.points is not None:
        return tuple(cells[columns.points - 1 : columns.points])
    return tuple(cell for place, cell in enumerate(cells, start=1) if cell and place not in columns.never)


def _header(cells: list[str]) -> _Columns | None:
    name = next((place for place, cell in enumerate(cells) if _CRITERIA.search(cell)), None)
    if name is None:
        name = next((place for place, cell in enumerate(cells) if not _NUMBERING.fullmatch(cell) and cell != "#"), 0)
    columns = [(place - name, cell) for place, cell in enumerate(cells) if place > name]
    never = frozenset(place for place, cell in columns if _is_maximum(cell))
    for wanted in (_EARNED, _POINTS):
        found = [place for place, cell in columns if place not in never and wanted.search(cell)]
        if len(found) == 1:
            return _Columns(found[0], never)
    return _Columns(None, never) if never or any(_POINTS.search(cell) for _, cell in columns) else None


def _is_maximum(cell: str) -> bool:
    """Whether a column says what can be earned, not what was: "Maximum Points", but not "Points (max 1)"."""
    return bool(_POSSIBLE.search(_BRACKETED.sub(" ", cell))) and not _EARNED.search(cell)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _PIPE.split(_LAST_PIPE.sub("", line.removeprefix("|")))]


def _is_rule(line: str) -> bool:
    return bool(_RULE.fullmatch(line)) and "-" in line
