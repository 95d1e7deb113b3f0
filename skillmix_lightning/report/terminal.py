"""Scores as tables for the terminal, at most 80 columns wide; those with changes at most 100."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from skillmix_lightning.endpoint.budget import dollars
from skillmix_lightning.scoring import METRICS, OverGenerations, Protocol, Score
from skillmix_lightning.scoring.comparison import LEVEL, Comparison

_TITLES = {"full_marks": "full marks", "all_skills": "all skills", "skill_fraction": "skill fraction"}
#: Of combinations.
_COUNTS = "graded/planned/unscored"


def score_table(
    scores: Sequence[Score],
    title: str,
    over_generations: OverGenerations = "max",
    protocol: Protocol = "paper",
    name_rule: bool = True,
) -> Table:
    """The scores of one evaluation: a row per split and k, each metric as its mean and 95% interval.

    Args:
        scores: the rows.
        title: what was evaluated.
        over_generations: how the scores were made; the title says so.
        protocol: likewise.
        name_rule: likewise.
    """
    table = _table(title, over_generations, protocol, name_rule)
    for metric in METRICS:
        table.add_column(_TITLES[metric], justify="right")
    table.add_column(_COUNTS.replace("/", "/\n"), justify="right")
    for row in scores:
        table.add_row(row.split, str(row.k), *(_with_interval(row, metric) for metric in METRICS), _counts(row))
    return table


def change_table(
    history: Mapping[int, Sequence[Score]],
    over_generations: OverGenerations = "max",
    protocol: Protocol = "paper",
    name_rule: bool = True,
) -> Table:
    """The first evaluation beside the last: for each split and k, its metrics and its numbers of combinations.

    Args:
        history: optimizer step to the scores of that evaluation.
        over_generations: how the scores were made; the title says so.
        protocol: likewise.
        name_rule: likewise.
    """
    first, last = min(history), max(history)
    before = {(row.split, row.k): row for row in history[first]}
    table = _table("SKILL-MIX before and after", over_generations, protocol, name_rule)
    table.add_column("metric")
    table.add_column(f"step {first}", justify="right")
    table.add_column(f"step {last}", justify="right")
    for row in history[last]:
        earlier = before.get((row.split, row.k))
        for metric in METRICS:
            was = _with_interval(earlier, metric) if earlier else "-"
            table.add_row(row.split, str(row.k), _TITLES[metric], was, _with_interval(row, metric))
        table.add_row(row.split, str(row.k), _COUNTS, _counts(earlier) if earlier else "-", _counts(row))
        table.add_section()
    return table


def evaluation_table(
    scores: Sequence[Score],
    title: str,
    changes: Mapping[int, Sequence[Comparison]] | None = None,
    usd: tuple[float, float] | None = None,
    over_generations: OverGenerations = "max",
    protocol: Protocol = "paper",
    name_rule: bool = True,
) -> Table:
    """The scores of one evaluation in a fit: a row per split, k and metric, with what changed since earlier ones.

    Args:
        scores: the rows.
        title: what was evaluated.
        changes: step of an earlier evaluation to the paired comparisons of it with this one; a column each.
        usd: what grading has cost, in this evaluation and in the fit so far.
        over_generations: how the scores were made; the title says so.
        protocol: likewise.
        name_rule: likewise.
    """
    changes = changes or {}
    table = _table(title, over_generations, protocol, name_rule)
    captions = []
    if changes:
        captions.append(f"p: paired test, corrected by Holm over the rows of a metric; * where it is below {LEVEL}")
    if usd is not None:
        captions.append(f"grading: {dollars(usd[0])}, in the fit so far {dollars(usd[1])}")
    table.caption = "\n".join(captions)
    table.add_column("metric")
    table.add_column("now", justify="right")
    for step in sorted(changes):
        table.add_column(f"since step {step}", justify="right")
    table.add_column(_COUNTS.replace("/", "/\n"), justify="right")
    found = {(step, c.split, c.k, c.metric): c for step, rows in changes.items() for c in rows}
    for row in scores:
        for metric in METRICS:
            cells = [_change(found.get((step, row.split, row.k, metric))) for step in sorted(changes)]
            counts = _counts(row) if metric == METRICS[0] else ""
            table.add_row(row.split, str(row.k), _TITLES[metric], _with_interval(row, metric), *cells, counts)
        table.add_section()
    return table


def _change(comparison: Comparison | None) -> str:
    if comparison is None or comparison.difference is None or comparison.p_holm is None:
        return "-"
    mark = "*" if comparison.p_holm < LEVEL else " "
    return f"{comparison.difference:+.2f} (p {_p_value(comparison.p_holm)}){mark}"


def _p_value(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}"


def _table(title: str, over_generations: OverGenerations, protocol: Protocol, name_rule: bool) -> Table:
    rules = f"protocol {protocol}, name rule {'on' if name_rule else 'off'}, {over_generations} over generations"
    table = Table(title=f"{title}\n{rules}; mean (95% interval)", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("split")
    table.add_column("k", justify="right")
    return table


def _counts(row: Score) -> str:
    return f"{row.graded}/{row.planned}/{row.unscored}"


def _with_interval(row: Score, metric: str) -> str:
    mean, interval = getattr(row, metric), row.ci95[metric]
    if mean is None or interval is None:
        return "unscored"
    return f"{mean:.2f} ({interval[0]:.2f}–{interval[1]:.2f})"
