"""A grader's reply as points, or as the reason why there are none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from skillmix_lightning.graders.base import Status
from skillmix_lightning.graders.parse.labels import Labels
from skillmix_lightning.graders.parse.points import read_total, read_value
from skillmix_lightning.graders.parse.tables import Reading, Row, read_tables
from skillmix_lightning.graders.parse.verdicts import is_cut_verdict, read_verdicts
from skillmix_lightning.graders.rubric import Rubric

_ANNOUNCEMENT = re.compile(r"\bgrading table[^\w\n]*:", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:sorry|i apologi[sz]e|as an ai)\b|"
    r"\bi(?:['’]m| am)? ?(?:can ?not|can['’]t|won['’]t|will not|(?:am )?(?:not able|unable) to|must decline|decline)\b"
    r"[^.\n]*\b(?:grad(?:e|ing)|assist|help|comply|evaluat|assess|provid|fulfil|continue|engage)",
    re.IGNORECASE,
)
_NOT_BLANK = re.compile(r"\S")
_OPENING = 200  # characters in which a refusal says so
_QUOTED = 40


@dataclass(frozen=True)
class ParsedReply:
    """What a reply says about a rubric.

    Attributes:
        status: "ok", or why there are no points: "unparsed", "refused" or "truncated".
        points: criterion id to a point from 0 to 1, for every criterion; empty unless status is "ok".
        reason: why there are none, in one line.
        total: the grader's own total, where it gives one. Nothing is computed from it: graders add up badly.
    """

    status: Status
    points: dict[str, float]
    reason: str = ""
    total: float | None = None


@dataclass
class _Evaluation:
    points: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def parse_reply(reply: str, rubric: Rubric, finish_reason: str = "stop", text: str = "") -> ParsedReply:
    """Reads the points of a reply's table or JSON verdict, matched to criteria by name. Never raises.

    A criterion has to have exactly one row with a point from 0 to 1: with none, with two (even equal ones), or with
    anything else in it the reply is "unparsed", and nothing is made up. Of several tables those behind the last
    announcement of a grading table ("Here is the grading table:") count, or all if there is none, and of these the last
    that has every row, since graders correct themselves; if none has, their rows are taken together. A reply that was
    cut before the rows were complete is "truncated"; one cut later, within its reasons, is as good as a whole one.

    The graded text has no say: where it holds rows of its own, verbatim quotations of it are not read, and tables that
    still differ, one of which may be half a quotation, make the reply "unparsed".

    Args:
        reply: what the grader wrote.
        rubric: the criteria, and how they were worded.
        finish_reason: as the server words it: "length" for a cut reply, "content_filter" for a blocked one.
        text: the graded text.
    """
    if finish_reason == "content_filter":
        return ParsedReply("refused", {}, "the server's content filter stopped the reply")
    cut = finish_reason == "length"
    labels = Labels(rubric)
    text = text.strip()
    forged = bool(text and (read_tables(text, labels, cut=False) or read_verdicts(text, labels)))
    if forged:
        reply = reply.replace(text, _NOT_BLANK.sub(" ", text))
    readings = sorted(read_tables(reply, labels, cut) + read_verdicts(reply, labels), key=lambda reading: reading.start)
    if not forged:
        readings = _behind_the_announcement(reply, readings)
    if not readings:
        return _without_points(reply, cut)

    broken_off = readings[-1].cut or (cut and readings[-1].end >= len(reply.rstrip()))
    evaluated = [(reading, _evaluated([reading], rubric)) for reading in readings]
    complete = [(reading, found) for reading, found in evaluated if not found.problems]
    if complete and not (broken_off and evaluated[-1][1].problems):
        reading, found = complete[-1]
        if forged and any(other.points != found.points for _, other in complete):
            return ParsedReply("unparsed", {}, f"{len(complete)} whole tables that differ, and the text holds rows too")
        return ParsedReply("ok", found.points, total=_total([reading]))
    together = _evaluated(readings, rubric)
    if not together.problems:
        return ParsedReply("ok", together.points, total=_total(readings))
    if broken_off or cut or is_cut_verdict(reply):
        return ParsedReply("truncated", {}, "the reply is cut: " + "; ".join(together.problems))
    problems = evaluated[-1][1].problems if complete or len(readings) == 1 else together.problems
    return ParsedReply("unparsed", {}, "; ".join(problems))


def _behind_the_announcement(reply: str, readings: Sequence[Reading]) -> list[Reading]:
    for announcement in reversed(list(_ANNOUNCEMENT.finditer(reply))):
        if behind := [reading for reading in readings if reading.start >= announcement.start()]:
            return behind
    return list(readings)


def _without_points(reply: str, cut: bool) -> ParsedReply:
    if cut or is_cut_verdict(reply):
        return ParsedReply("truncated", {}, "the reply is cut before its first row")
    if not reply.strip():
        return ParsedReply("unparsed", {}, "the reply is empty")
    if _REFUSAL.search(reply[:_OPENING]):
        return ParsedReply("refused", {}, f"the grader refuses: {_quoted(reply)}")
    return ParsedReply("unparsed", {}, "neither a table nor a JSON verdict names a criterion")


def _evaluated(readings: Sequence[Reading], rubric: Rubric) -> _Evaluation:
    found = _Evaluation()
    rows = [row for reading in readings for row in reading.rows]
    for row in rows:
        if len(row.criteria) > 1:
            meant = " or ".join(repr(criterion) for criterion in rubric.criteria if criterion in row.criteria)
            found.problems.append(f"the row {_quoted(row.name)} can mean criterion {meant}")
    for criterion in rubric.criteria:
        mine = [row for row in rows if row.criteria == {criterion}]
        points = [_point(row) for row in mine]
        point = points[0] if points else None
        if not mine:
            found.problems.append(f"no row for criterion '{criterion}'")
        elif len(mine) > 1:
            differ = ", and they differ" if len(set(points)) > 1 else ""
            found.problems.append(f"{len(mine)} rows for criterion '{criterion}'{differ}")
        elif point is None:
            said = " and ".join(_quoted(str(value)) for value in mine[0].values[:3]) or "nothing"
            found.problems.append(f"the row for criterion '{criterion}' says {said}, which is no point")
        else:
            found.points[criterion] = point
    return found


def _point(row: Row) -> float | None:
    """The row's point. Where no header says which of its cells holds it, it is the first, and no other may disagree."""
    read = [read_value(value) for value in row.values]
    return read[0] if read and {point for point in read if point is not None} == {read[0]} else None


def _total(readings: Sequence[Reading]) -> float | None:
    totals = [total for reading in readings for value in reading.totals if (total := read_total(value)) is not None]
    return totals[-1] if totals else None


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _QUOTED else f"{line[:_QUOTED]}…")
