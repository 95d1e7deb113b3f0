"""Protocol `reference`: what the reference implementation of SKILL-MIX computes, its defects included.

It reads the graders' raw replies itself, by its own rules: points by the order of a table's rows, none as zeros,
sentences by a regular expression, skill names as substrings. It shares nothing with protocol `paper` but the names of
the metrics, so that mending one cannot move the other. Two things are not done, because they give no numbers or wrong
ones: it stops with an exception at some replies, which are unscored here, and where a round is missing it regroups
those of other texts, while here the rounds that are there vote.

Points vote in single precision, as there. Metrics and means are in double precision; the reference implementation's
skill fraction is in single precision, so the two differ by less than 1e-6.
"""

import re
from collections.abc import Sequence

import numpy as np

from skillmix_lightning.catalogue.types import sentence_limit
from skillmix_lightning.scoring.metrics import TextScore

_TITLES = ("Mr", "Mrs", "Ms", "Dr", "Prof")
_SENTENCE_END = re.compile(r"""[.!?]['"]* ['"]*[A-Z]""")
_NOT_NUMERIC = re.compile(r"[^0-9./]")
_OUT_OF = re.compile(r"([0-9]+)/")
_NOT_CRITERIA = ("total", "score")
_NO_DIGIT_AT_END = re.compile(r"[^0-9]+\Z")

#: Its grading prompts that ask for prose, point by point, in place of a table.
PROSE_PROMPTS = frozenset({"llama", "14"})


class UnreadableReply(ValueError):
    """A reply at which the reference implementation stops with an exception."""


def text_score(rounds: Sequence[Sequence[float]], text: str, skills: Sequence[str], name_rule: bool) -> TextScore:
    """The metrics of one text.

    Args:
        rounds: the points read in each grading round's reply, in its order; at least one round.
        text: what the grader read.
        skills: names, in the order of the rubric.
        name_rule: whether a skill that the text names earns nothing (`--filter_explicit_name`).
    """
    k = len(skills)
    length = float(count_sentences(text) <= sentence_limit(k))
    points = np.zeros((len(rounds), k + 3), dtype=np.float32)
    with np.errstate(over="ignore"):  # a reply may hold any number
        for row, found in zip(points, rounds, strict=True):
            row[: len(found)] = found[: k + 3]
        points[:, -1] = length
        if name_rule:
            points[:, [place for place, name in enumerate(skills) if is_named(text, name)]] = 0
        verdict = np.rint(points.mean(axis=0))
        skill_points, others = float(verdict[:k].sum()), float(verdict[k:].sum())
        return TextScore(
            full_marks=float(verdict.sum() == k + 3),
            all_skills=float(skill_points == k and others >= 2),
            skill_fraction=skill_points / k if others == 3 else 0.0,
        )


def points_in_order(reply: str) -> list[float]:
    """The points of a reply's table, in the order of its rows, without the total.

    The table is what stands behind the last announcement and before the first explanation; a row is a line with a
    "|", without "--" and without "criteria". Of two rows with the same name the last gives the points and the first
    the place.

    Raises:
        UnreadableReply: a row has one cell, or something that is no number where its points should be.
    """
    table = reply.split("Here's the grading table:")[-1].strip().split("Explanation:")[0]
    by_name: dict[str, float] = {}
    for line in table.split("\n"):
        if "|" not in line or "--" in line or "criteria" in line.lower():
            continue
        cells = [cell.strip() for cell in line.split("|") if cell.strip()]
        if not cells:
            continue
        if len(cells) == 1:
            raise UnreadableReply(f'the row "{line.strip()}" has one cell')
        points = _number(cells[1])
        if points is not None:
            by_name[cells[0].lower()] = points
    return [points for name, points in by_name.items() if not any(word in name for word in _NOT_CRITERIA)]


def points_in_prose(reply: str) -> list[float]:
    """The points of a reply to one of `PROSE_PROMPTS`: what follows each "earned:", 0 where that is no number."""
    words = [part.strip().split("\n")[0].split(" ")[0] for part in reply.lower().split("earned:")[1:]]
    numerators = [word.split("/")[0] for word in words if word]
    return [_number_or_zero(_NO_DIGIT_AT_END.sub("", numerator)) for numerator in numerators]


def count_sentences(text: str) -> int:
    """How many sentences the reference implementation counts; an empty text has one."""
    for title in _TITLES:
        text = re.sub(f"{title}. ", f"{title}.", text)  # the dot stands for any character, as there
    return 1 + len(_SENTENCE_END.findall(text))


def is_named(text: str, skill: str) -> bool:
    """Whether the skill's name, up to its first parenthesis, is a substring of the text, in any case."""
    return skill.partition("(")[0].strip().lower() in text.lower()


def _number(cell: str) -> float | None:
    """The points in a cell: all but digits, dots and slashes is dropped, and "1/1" is 1. None if nothing is left."""
    digits = _NOT_NUMERIC.sub("", cell)
    if not digits:
        return None
    out_of = _OUT_OF.match(digits)
    try:
        return float(out_of[1] if out_of else digits)
    except ValueError:
        raise UnreadableReply(f'"{cell}" is no number') from None


def _number_or_zero(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return 0.0
