"""Scores as tables for the terminal, at most 80 columns wide."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from skillmix_lightning.scoring import METRICS, Score

_TITLES = {"full_marks": "full marks", "all_skills": "all skills", "skill_fraction": "skill fraction"}


def score_table(scores: Sequence[Score], title: str) -> Table:
    """The scores of one evaluation: a row per split and k, each metric as its mean and 95% interval."""
    table = _table(f"{title}, mean (95% interval)")
    for metric in METRICS:
        table.add_column(_TITLES[metric], justify="right")
    table.add_column("scored", justify="right")
    for row in scores:
        cells = [_with_interval(row, metric) for metric in METRICS]
        table.add_row(row.split, str(row.k), *cells, f"{row.combinations - row.unscored}/{row.combinations}")
    return table


def change_table(history: Mapping[int, Sequence[Score]]) -> Table:
    """The first evaluation beside the last: a row per split, k and metric.

    Args:
        history: optimizer step to the scores of that evaluation.
    """
    first, last = min(history), max(history)
    before = {(row.split, row.k): row for row in history[first]}
    table = _table("SKILL-MIX before and after, mean (95% interval)")
    table.add_column("metric")
    table.add_column(f"step {first}", justify="right")
    table.add_column(f"step {last}", justify="right")
    for row in history[last]:
        earlier = before.get((row.split, row.k))
        for metric in METRICS:
            was = _with_interval(earlier, metric) if earlier else "-"
            table.add_row(row.split, str(row.k), _TITLES[metric], was, _with_interval(row, metric))
        table.add_section()
    return table


def _table(title: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("split")
    table.add_column("k", justify="right")
    return table


def _with_interval(row: Score, metric: str) -> str:
    mean, interval = getattr(row, metric), row.ci95[metric]
    if mean is None or interval is None:
        return "unscored"
    return f"{mean:.2f} ({interval[0]:.2f}–{interval[1]:.2f})"
