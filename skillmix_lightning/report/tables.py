"""A report's tables as data: the HTML page, the terminal and `--json` show the same ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rich import box
from rich.table import Table
from rich.text import Text

from skillmix_lightning.catalogue import Split
from skillmix_lightning.report.contamination import CAPTION as SEEN_CAPTION
from skillmix_lightning.report.contamination import TITLE as SEEN_TITLE
from skillmix_lightning.report.contamination import percent, size_name
from skillmix_lightning.report.criteria import Cell, Tally, by_category, by_criterion, by_skill
from skillmix_lightning.report.published import Published
from skillmix_lightning.report.results import JudgedText, Results, last_of_fits

#: How a column's values are written: as they are, as a share from 0 to 1, as a percentage that is 0 or 100 only where
#: it is exactly so, as a count, as dollars.
Kind = Literal["text", "share", "percent", "count", "usd"]

#: A column of words is not made narrower than this, or than its longest word.
_NARROWEST = 10
_MANY = 10


@dataclass(frozen=True)
class Column:
    """A column: the key of its values, its title, and how they are written."""

    key: str
    title: str
    kind: Kind = "text"


_HEADS = {
    "category": (Column("category", "category"),),
    "skill": (Column("category", "category"), Column("skill", "skill")),
}


@dataclass(frozen=True)
class ReportTable:
    """A table; a row's missing or None value is an empty cell."""

    id: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[dict[str, Any], ...]

    def cells(self, row: dict[str, Any]) -> list[str]:
        """A row's values as they are written."""
        return [written(row.get(column.key), column.kind) for column in self.columns]

    def document(self) -> list[dict[str, Any]]:
        """The rows for JSON."""
        return [{column.key: row.get(column.key) for column in self.columns} for row in self.rows]

    def for_terminal(self) -> Table:
        """The table for a console."""
        gap = int(len(self.columns) < _MANY)  # 80 columns hold more of a table's without it
        table = Table(title=self.title, caption=self.note, box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0))
        rows = [self.cells(row) for row in self.rows]
        for place, column in enumerate(self.columns):
            longest = max((len(word) for row in rows for word in row[place].split()), default=0)
            width = min(longest, _NARROWEST) if column.kind == "text" else longest
            justify: Literal["left", "right"] = "left" if column.kind == "text" else "right"
            table.add_column(Text(column.title), justify=justify, overflow="fold", min_width=width)
        for row in rows:
            table.add_row(*map(Text, row))
        return table


def written(value: Any, kind: Kind) -> str:
    """A value as a table shows it."""
    if value is None:
        return ""
    if kind == "share":
        return f"{value:.2f}"
    if kind == "percent":
        return percent(value)
    if kind == "count":
        return f"{value:,}"
    return f"${value:,.2f}" if kind == "usd" else str(value)


def report_tables(results: Sequence[Results], beside: Sequence[Published]) -> list[ReportTable]:
    """The tables beside those of scores: published figures, contamination, criteria, categories, cost.

    Contamination and categories are those of a fit's last evaluation.
    """
    tables = [
        _published(beside),
        _contamination(last_of_fits(results)),
        _criteria(results),
        _shares(last_of_fits(results), "category"),
        _cost(results),
    ]
    return [table for table in tables if table.rows]


def skill_table(results: Sequence[Results]) -> ReportTable:
    """The skill points of every single skill, too long for a terminal; of a fit's evaluations for the last only."""
    return _shares(last_of_fits(results), "skill")


def _published(beside: Sequence[Published]) -> ReportTable:
    columns = (
        Column("name", "published"),
        Column("split", "split"),
        Column("k", "k", "count"),
        Column("full_marks", "full marks", "share"),
        Column("all_skills", "all skills", "share"),
        Column("skill_fraction", "skill fraction", "share"),
    )
    note = "P1: arXiv 2409.19808; P2: leaderboard of arXiv 2310.17567, without common skills; both graded by GPT-4"
    rows = tuple({**row.model_dump(), "name": row.name} for row in beside)
    return ReportTable("published", "Published for the same split and k", note, columns, rows)


def _contamination(results: Sequence[Results]) -> ReportTable:
    found = [(each.name, row) for each in results for row in each.manifest.get("contamination") or ()]
    sizes = range(1, max((row["k"] for _, row in found), default=0) + 1)
    columns = (
        Column("run", "run"),
        Column("split", "split"),
        Column("k", "k", "count"),
        Column("combinations", "asked", "count"),
        Column("exact", "exact", "count"),
        Column("same_skills", "set", "count"),
        *(Column(f"seen_{size}", size_name(size), "percent") for size in sizes),
        Column("topics_seen", "topic", "percent"),
    )
    rows = []
    for run, row in found:
        seen = {f"seen_{size}": share for size, share in enumerate(row["seen_together"], start=1)}
        rows.append({"run": run, **row, **seen})
    return ReportTable("contamination", SEEN_TITLE, SEEN_CAPTION, columns, tuple(rows))


def _criteria(results: Sequence[Results]) -> ReportTable:
    columns = (
        Column("run", "run"),
        Column("split", "split"),
        Column("k", "k", "count"),
        Column("texts", "texts", "count"),
        Column("skills", "skill", "share"),
        Column("topic", "topic", "share"),
        Column("sense", "sense", "share"),
        Column("length", "length", "share"),
        Column("named", "names\nskill", "count"),
        Column("disputed", "rounds\ndiffer", "count"),
        Column("without_points", "no points"),
    )
    rows = []
    for each in results:
        earned = by_criterion(each.texts)
        for cell in cells_of(each):
            texts = [text for text in each.texts if text.cell == cell]
            row = {"run": each.name, "split": cell[0], "k": cell[1], "texts": len(texts)}
            row |= {name: _missed(tally) for name, tally in earned.get(cell, {}).items()}
            row["named"] = sum(bool(text.checks.named) for text in texts)
            row["disputed"] = sum(bool(text.disputed) for text in texts)
            row["without_points"] = _without_points(texts)
            rows.append(row)
    note = "share of graded texts that miss a point, by the vote over grading rounds; no points: grades"
    return ReportTable("criteria", "Which points are missed", note, columns, tuple(rows))


def _missed(tally: Tally) -> float | None:
    return None if tally.share is None else 1 - tally.share


def _without_points(texts: Sequence[JudgedText]) -> str:
    statuses = Counter(grade.status for text in texts for grade in text.rounds if grade.status != "ok")
    return ", ".join(f"{count:,} {status}" for status, count in sorted(statuses.items()))


def heat_map(results: Results, what: Literal["category", "skill"]) -> ReportTable:
    """The skill points of one run's categories or skills: a row each, a column per split and k."""
    cells = sorted({text.cell for text in results.texts if text.verdict is not None}, key=cell_order)
    columns = (*_HEADS[what], *(Column(f"{split} {k}", f"{split}\nk = {k}", "share") for split, k in cells))
    rows = tuple(
        {**head, **{f"{split} {k}": tally.share for (split, k), tally in by_cell.items()}}
        for head, by_cell in _tallies(results, what)
    )
    return ReportTable(f"{what}-map", "", "", columns, rows)


def _shares(results: Sequence[Results], what: Literal["category", "skill"]) -> ReportTable:
    ks = sorted({k for _, k in all_cells(results)})
    columns = (
        Column("run", "run"),
        Column("split", "split"),
        *_HEADS[what],
        *(Column(f"k={k}", f"k = {k}", "share") for k in ks),
    )
    rows = []
    for each in results:
        tallies = _tallies(each, what)
        for split in dict.fromkeys(split for split, _ in cells_of(each)):
            for head, by_cell in tallies:
                shares = {f"k={k}": by_cell[split, k].share for k in ks if (split, k) in by_cell}
                rows += [{"run": each.name, "split": split, **head, **shares}] if shares else []
    note = "share of a skill's points that graded texts earn, each generation counted"
    return ReportTable(f"{what}_points", f"Skill points by {what}", note, columns, tuple(rows))


def _tallies(results: Results, what: Literal["category", "skill"]) -> list[tuple[dict[str, str], dict[Cell, Tally]]]:
    """What a row begins with, and its points; by category, then by skill."""
    if what == "category":
        return [({"category": name}, by_cell) for name, by_cell in sorted(by_category(results).items())]
    of_skills = by_skill(results.texts)
    names = sorted(of_skills, key=lambda name: (results.category(name), name))
    return [({"category": results.category(name), "skill": name}, of_skills[name]) for name in names]


def _cost(results: Sequence[Results]) -> ReportTable:
    columns = (
        Column("run", "run"),
        Column("student", "student"),
        Column("student_tokens", "tokens", "count"),
        Column("student_usd", "paid", "usd"),
        Column("grader", "grader"),
        Column("grader_tokens", "tokens", "count"),
        Column("grader_usd", "paid", "usd"),
    )
    rows = []
    for each in results:
        row: dict[str, Any] = {"run": each.name, "student": each.student, "grader": each.grader}
        for part, spent in each.spent.items():
            if spent.tokens or spent.usd:
                row |= {f"{part}_tokens": spent.tokens, f"{part}_usd": spent.usd}
        rows.append(row)
    return ReportTable("cost", "Cost", "by the records; empty where they tell nothing", columns, tuple(rows))


def all_cells(results: Sequence[Results]) -> list[Cell]:
    """Every split and k that a run has, train, held_out, all, and by k."""
    cells = {(row.split, row.k) for each in results for row in each.scores}
    return sorted(cells, key=cell_order)


def cell_order(cell: Cell) -> tuple[int, int]:
    """Sorts by train, held_out, all, then by k."""
    return get_args(Split).index(cell[0]), cell[1]


def cells_of(results: Results) -> list[Cell]:
    """The splits and ks of one run."""
    return [(row.split, row.k) for row in results.scores]
