"""Runs set side by side, as tables for the terminal at most 80 columns wide."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from skillmix_lightning.scoring.agreement import Agreement, FullMarks
from skillmix_lightning.scoring.comparison import CANNOT_TELL, Comparison
from skillmix_lightning.scoring.frequencies import Counted
from skillmix_lightning.scoring.metrics import METRICS
from skillmix_lightning.scoring.parrot import ParrotBound

_CAPTION = (
    "p: exact test on pairs, corrected by Holm over the rows (the interval is not)\n"
    "sees: the true difference that so many pairs find four times out of five\n"
    "higher, lower: what the second run is; ?: cannot tell"
)


def comparison_tables(rows: Sequence[Comparison], before: str, after: str, rules: str = "") -> list[Table]:
    """A table for each metric: both means, their difference with its interval, the test and what may be said.

    Args:
        rows: of `scoring.comparison.compare`.
        before: the first run's name.
        after: the second run's.
        rules: by which they were scored, for the title.
    """
    tables = []
    for metric in METRICS:
        title = f"{metric.replace('_', ' ')}: {before} → {after}"
        table = _table(f"{title}\n{rules}" if rules else title, "split", "k", "pairs")
        for name in ("before", "after", "difference (95%)", "p", "sees"):
            table.add_column(name, justify="right")
        table.add_column("")
        for row in (row for row in rows if row.metric == metric):
            pairs = f"{row.combinations}/{row.combinations + row.unpaired}" if row.unpaired else str(row.combinations)
            table.add_row(
                row.split,
                str(row.k),
                pairs,
                _share(row.before),
                _share(row.after),
                _signed(row.difference, row.ci95),
                _p_value(row.p_holm),
                _share(row.smallest_detectable),
                "?" if row.verdict == CANNOT_TELL else row.verdict,
            )
        tables.append(table)
    tables[-1].caption = _CAPTION
    return tables


def agreement_table(rows: Sequence[Agreement], title: str) -> Table:
    """Agreement of raters: a row per criterion, each figure (alpha is Krippendorff's) with its 95% interval."""
    kappa = "Cohen's kappa" if all(row.raters == 2 for row in rows) else "Fleiss's kappa"
    table = _table(title, "criterion", "rated")
    for name in ("agree", kappa, "alpha"):
        table.add_column(name, justify="right")
    for row in rows:
        figures = (_with_interval(getattr(row, name), row.ci95[name]) for name in ("raw", "kappa", "alpha"))
        table.add_row(row.criterion, str(row.rated), *figures)
    if lacking := [f"{row.criterion} {row.incomplete}" for row in rows if row.incomplete]:
        table.caption = f"lacking the points of a rater: {', '.join(lacking)}"
    return table


def full_marks_table(rows: Sequence[FullMarks]) -> Table:
    """Full marks as each grader sees them, and as all and most of them do."""
    table = _table("full marks, of texts that all graders scored", "split", "k", "combinations")
    graders = list(rows[0].by) if rows else []
    for name in (*graders, "all of them", "most of them"):
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        shares = (_share(value) for value in (*row.by.values(), row.by_all, row.by_majority))
        table.add_row(row.split, str(row.k), str(row.combinations), *shares)
    return table


def parrot_table(
    rows: Sequence[ParrotBound], full_marks: Mapping[str, Mapping[tuple[str, int], float | None]]
) -> Table:
    """The parrot bound beside the runs' full marks.

    Args:
        rows: the bounds.
        full_marks: run to (split, k) to its mean full marks.
    """
    table = _table("full marks beside the parrot bound", "split", "k")
    for name in ("expected documents", "bound", *full_marks):
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        shares = (_share(of_run.get((row.split, row.k))) for of_run in full_marks.values())
        table.add_row(row.split, str(row.k), f"{row.expected:.2g}", f"{row.bound:.2g}", *shares)
    return table


def frequencies_table(rows: Sequence[Counted]) -> Table:
    """How often skills occur in a corpus: the share that the parrot bound reads, and the interval of the count."""
    table = _table("documents that show a skill", "skill")
    for name in ("documents", "show it", "share", "95%"):
        table.add_column(name, justify="right")
    for row in rows:
        ends = "{:.2g}–{:.2g}".format(*row.ci95)
        table.add_row(row.name, f"{row.documents:,}", f"{row.shown:,}", f"{row.frequency:.2g}", ends)
    if any(not row.shown for row in rows):
        table.caption = "of what no document shows, the share is the upper end of the interval"
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left")
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _signed(value: float | None, bounds: tuple[float, float] | None) -> str:
    """The 0.0 that is added takes the sign from a -0.00."""
    if value is None or bounds is None:
        return "-"
    return "{:+.2f} ({:+.2f} {:+.2f})".format(*(round(number, 2) + 0.0 for number in (value, *bounds)))


def _p_value(value: float | None) -> str:
    if value is None:
        return "-"
    return "<.001" if value < 0.001 else f"{value:.3f}"


def _with_interval(value: float | None, bounds: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if bounds is None else f"{value:.2f} ({bounds[0]:.2f}–{bounds[1]:.2f})"
