"""The parrot bound: how many of the evaluated combinations a student can have met in its training corpus at all.

The argument is that of SKILL-MIX (arXiv 2310.17567): a student that only repeats what it read earns full marks for no
more combinations than its corpus holds. If skills and topics occur in documents independently of one another, each with
its own frequency, then of L documents

    expected(combination) = L * p(topic) * p(skill 1) * ... * p(skill k)

show the combination, and the chance that any does is at most min(1, expected) (Markov). Its mean over the evaluated
combinations bounds the full marks of a student that only repeats; full marks above it say that something was composed.
The frequencies of the paper's own skills are not published: they come from a file (`scoring.frequencies`), which
`count-frequencies` makes of a corpus at hand.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from skillmix_lightning.catalogue import Combination, Split
from skillmix_lightning.errors import raise_all
from skillmix_lightning.scoring.frequencies import OTHERS, Frequencies

_SHOWN = 5


@dataclass(frozen=True)
class ParrotBound:
    """What a student that only repeats its corpus can reach in one split and k.

    Attributes:
        split: "train", "held_out" or "all".
        k: skills per combination.
        combinations: how many were evaluated.
        expected: the mean number of documents that show a combination.
        bound: the mean over combinations of min(1, expected): at most so large can full marks be.
    """

    split: str
    k: int
    combinations: int
    expected: float
    bound: float


def parrot_bounds(combinations: Iterable[Combination], frequencies: Frequencies) -> list[ParrotBound]:
    """The bound of each split and k.

    Args:
        combinations: the evaluated ones; one that stands there several times counts once.
        frequencies: of their skills and topics.

    Raises:
        InputError: skills or topics have no frequency; they are listed.
    """
    cells: dict[tuple[str, int], dict[str, Combination]] = {}
    for combination in combinations:
        cells.setdefault((combination.split, combination.k), {})[combination.id] = combination
    _check_known([c for cell in cells.values() for c in cell.values()], frequencies)
    rows = []
    for split, k in sorted(cells, key=lambda cell: (get_args(Split).index(cell[0]), cell[1])):
        expected = [frequencies.expected(combination) for combination in cells[split, k].values()]
        n = len(expected)
        rows.append(ParrotBound(split, k, n, sum(expected) / n, sum(min(1.0, each) for each in expected) / n))
    return rows


def _check_known(combinations: Sequence[Combination], frequencies: Frequencies) -> None:
    asked = {
        "skills": ({name for c in combinations for name in c.skills}, frequencies.skills),
        "topics": ({c.topic for c in combinations}, frequencies.topics),
    }
    problems = []
    for kind, (names, shares) in asked.items():
        lacking = sorted(name for name in names if name.lower() not in shares and OTHERS not in shares)
        if lacking:
            more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
            problems.append(f'no frequency of the {kind} {", ".join(lacking[:_SHOWN])}{more}; add them, or "*" for all')
    raise_all("the frequencies", problems)
