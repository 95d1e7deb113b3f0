"""The paper's four findings as rules: when an instance shows one, does not, or cannot tell.

A finding is about one or two contrasts of two conditions in stated cells (split and k). The paired exact test of
`scoring.comparison` is corrected by Holm over the cells of a contrast; see docs/findings.md for the rules in words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.findings.conditions import BASE, D1, D12, D123, SUBSET
from benchmarks.findings.scores import BySeed, pooled
from skillmix_lightning.scoring import METRICS, CombinationScore
from skillmix_lightning.scoring.comparison import Comparison, compare

Verdict = Literal["shows", "does not", "cannot tell"]

#: Of a cell: the second condition is higher or lower; an effect of `SMALLEST` or more is excluded; neither condition
#: reaches as much, so which is better does not show; or none of these.
Outcome = Literal["higher", "lower", "small", "floor", "open"]

#: The smallest effect of interest, a share of texts: the paper's gains run from .08 (train, k = 4) to .41.
SMALLEST = 0.10

_HIGH_KS = (2, 3, 4, 5)


@dataclass(frozen=True)
class Contrast:
    """Two conditions in some cells.

    Attributes:
        before: a condition.
        after: the other.
        splits: of the cells.
        ks: likewise.
        expected: what the finding says of after against before.
        floor: a cell in which neither reaches `SMALLEST` says nothing, as where the better of two fits is sought.
    """

    before: str
    after: str
    splits: tuple[str, ...]
    ks: tuple[int, ...]
    expected: Literal["higher", "small"] = "higher"
    floor: bool = False


@dataclass(frozen=True)
class Finding:
    """One of the paper's findings."""

    number: int
    claim: str
    contrasts: tuple[Contrast, ...]


FINDINGS = (
    Finding(
        1,
        "Training on combinations of training skills raises held-out combinations.",
        (Contrast(BASE, D123, ("held_out",), _HIGH_KS),),
    ),
    Finding(
        2,
        "Training on k ≤ 3 raises k = 4 and 5.",
        (Contrast(BASE, D123, ("train", "held_out"), (4, 5)),),
    ),
    Finding(
        3,
        "Texts with larger k are more data-efficient: fewer of D(1,2,3) beat more of D(1,2).",
        (Contrast(D12, SUBSET, ("train", "held_out"), (3, 4, 5), floor=True),),
    ),
    Finding(
        4,
        "D(1) alone does little: single skills are not the bottleneck, composing them is.",
        (
            Contrast(BASE, D1, ("train", "held_out"), _HIGH_KS, expected="small"),
            Contrast(D1, D123, ("train", "held_out"), _HIGH_KS),
        ),
    ),
)


@dataclass(frozen=True)
class Cell:
    """What one cell of a contrast says, by one metric.

    Attributes:
        row: the paired comparison, corrected over the contrast's cells.
        by_seed: the mean difference of each seed.
        outcome: in one word.
    """

    row: Comparison
    by_seed: tuple[float, ...]
    outcome: Outcome


def cells(contrast: Contrast, by_seed: BySeed, metric: str = METRICS[0]) -> list[Cell]:
    """The cells of a contrast, in order of split and k.

    Args:
        contrast: which conditions and cells.
        by_seed: the scores.
        metric: one of `METRICS`.
    """
    before, after = (
        [[row for row in of if row.split in contrast.splits and row.k in contrast.ks] for of in by_seed[condition]]
        for condition in (contrast.before, contrast.after)
    )
    first, second = pooled(before), pooled(after)
    found = []
    for row in (row for row in compare(first, second) if row.metric == metric):
        seeds = tuple(
            _mean(after[seed], row, metric) - _mean(before[seed % len(before)], row, metric)
            for seed in range(len(after))
        )
        # Below it on both sides, there is no room for a difference of it.
        at_floor = contrast.floor and max(row.before or 0.0, row.after or 0.0) < SMALLEST
        found.append(Cell(row, seeds, _outcome(row, seeds, at_floor)))
    return found


def contrast_verdict(contrast: Contrast, found: Sequence[Cell]) -> Verdict:
    """Whether what a contrast expects is there.

    "higher": shown by one cell or more that is higher while none is lower; refuted where every cell is lower or
    excludes `SMALLEST`. "small": shown where every cell is lower or excludes `SMALLEST`; refuted by a cell that is
    higher by `SMALLEST` or more. Cells at the floor count for neither; if all are, nothing can be told.
    """
    telling = [cell for cell in found if cell.outcome != "floor"]
    outcomes = {cell.outcome for cell in telling}
    little = bool(telling) and all(_little(cell) for cell in telling)
    if contrast.expected == "small":
        if any(cell.outcome == "higher" and cell.row.ci95 and cell.row.ci95[0] >= SMALLEST for cell in telling):
            return "does not"
        return "shows" if little else "cannot tell"
    if "higher" in outcomes:
        return "cannot tell" if "lower" in outcomes else "shows"
    return "does not" if little else "cannot tell"


def finding_verdict(finding: Finding, by_seed: BySeed, metric: str = METRICS[0]) -> Verdict:
    """Whether the instance shows a finding: all its contrasts do; it does not if one of them does not."""
    verdicts = {contrast_verdict(each, cells(each, by_seed, metric)) for each in finding.contrasts}
    if "does not" in verdicts:
        return "does not"
    return "shows" if verdicts == {"shows"} else "cannot tell"


def _outcome(row: Comparison, by_seed: Sequence[float], at_floor: bool) -> Outcome:
    if row.verdict == "higher" and all(difference > 0 for difference in by_seed):
        return "higher"
    if row.verdict == "lower" and all(difference < 0 for difference in by_seed):
        return "lower"
    if at_floor:
        return "floor"
    return "small" if _excludes(row) else "open"


def _little(cell: Cell) -> bool:
    return cell.outcome == "lower" or _excludes(cell.row)


def _excludes(row: Comparison) -> bool:
    """Whether the interval lies below a gain of `SMALLEST`."""
    return row.ci95 is not None and row.ci95[1] < SMALLEST


def _mean(rows: Sequence[CombinationScore], cell: Comparison, metric: str) -> float:
    values = [getattr(row.score, metric) for row in rows if row.score and (row.split, row.k) == (cell.split, cell.k)]
    return sum(values) / len(values) if values else 0.0
