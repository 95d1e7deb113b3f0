"""Whether a grader still grades as it did, as a table for the terminal at most 80 columns wide."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from skillmix_lightning.scoring.drift import Drift

_CAPTION = (
    "frozen, now: share of points by the vote; up, down: verdicts that changed\n"
    "own, across: frozen rounds that differ from one another, and from new ones\n"
    "shift, flips: p of the exact tests of both; Holm: the smaller one, corrected"
)
_ONE_ROUND = "\nwith one round of each, a grader's own noise cannot be told from a change"


def drift_table(rows: Sequence[Drift], title: str) -> Table:
    """A row per criterion.

    Args:
        rows: of `scoring.drift.drift`.
        title: what was compared.
    """
    known = any(row.p_flips is not None for row in rows)
    table = Table(
        title=title, caption=_CAPTION + ("" if known else _ONE_ROUND), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("criterion")
    for name in ("texts", "frozen", "now", "up", "down", "own", "across", "shift", "flips", "Holm"):
        table.add_column(name, justify="right")
    for row in rows:
        shares = (_share(row.frozen), _share(row.now), str(row.up), str(row.down), _share(row.own), _share(row.across))
        table.add_row(row.criterion, f"{row.texts}", *shares, *map(_p, (row.p_shift, row.p_flips, row.p_holm)))
    return table


def drift_verdict(rows: Sequence[Drift], level: float, frozen: Sequence[str], now: Sequence[str]) -> tuple[bool, str]:
    """Whether the grader changed, and in what, in one line.

    Args:
        rows: of `scoring.drift.drift`.
        level: of the tests.
        frozen: the models that answered then, as the server named them.
        now: those that answer now.
    """
    changed = [f"{row.criterion} ({_share(row.frozen)} → {_share(row.now)})" for row in rows if row.found(level)]
    parts = [f"drift on {', '.join(changed)}"] if changed else []
    if frozen and (unknown := [name for name in now if name not in frozen]):
        parts.append(f"{', '.join(unknown)} answers, and {', '.join(frozen)} answered for the frozen set")
    if parts:
        return True, "; ".join(parts)
    texts = max(row.texts for row in rows)
    return False, f"no drift on {texts:,} texts" if texts else "no text has grades in both"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "<.001" if value < 0.001 else f"{value:.3f}"
