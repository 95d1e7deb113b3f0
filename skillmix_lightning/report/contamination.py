"""What of the evaluated combinations was seen in training: the table for the terminal, at most 80 columns wide."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from skillmix_lightning.catalogue import ContaminationRow

_NAMES = {1: "skill", 2: "pair", 3: "triple"}
TITLE = "Evaluated combinations seen in training"
CAPTION = "exact: skills and topic of a text\nset: exactly the skills of a text\nskill, pair, …: together in a text"


def contamination_table(rows: Sequence[ContaminationRow]) -> Table:
    """What of the evaluated combinations the training data holds: a row per split and k.

    Counts for whole combinations and whole sets of skills, shares for their parts and for topics.
    """
    table = Table(
        title=TITLE,
        caption=CAPTION,
        box=box.SIMPLE_HEAD,
        padding=(0, int(all(row.k <= 5 for row in rows)), 0, 0),  # 80 columns hold k = 8 without padding only
    )
    table.add_column("split")
    for title in ("k", "exact", "set"):
        table.add_column(title, justify="right")
    sizes = range(1, max((row.k for row in rows), default=0) + 1)
    for size in sizes:
        table.add_column(size_name(size), justify="right")
    table.add_column("topic", justify="right")
    for row in rows:
        shares = [percent(row.seen_together[size - 1]) if size <= row.k else "" for size in sizes]
        counts = [f"{count}/{row.combinations}" for count in (row.exact, row.same_skills)]
        table.add_row(row.split, str(row.k), *counts, *shares, percent(row.topics_seen))
    return table


def size_name(size: int) -> str:
    """What a set of so many skills is called."""
    return _NAMES.get(size, f"{size}s")


def percent(share: float) -> str:
    """A whole percentage; 0% and 100% are said only where they are exact."""
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share:.0%}"
