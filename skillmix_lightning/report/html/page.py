"""Puts a report together and writes it: one file, no network, the same bytes for the same runs."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from skillmix_lightning.errors import InputError
from skillmix_lightning.report.html import charts
from skillmix_lightning.report.html.island import island
from skillmix_lightning.report.published import Published, beside
from skillmix_lightning.report.results import Results, last_of_fits
from skillmix_lightning.report.tables import Column, ReportTable, all_cells, heat_map, report_tables
from skillmix_lightning.scoring import METRICS, OverGenerations, Protocol, Score

TITLES = {"full_marks": "full marks", "all_skills": "all skills", "skill_fraction": "skill fraction"}
#: A heat map's cells from here on are so dark that their figures are white.
_DEEP = 0.55
#: Tables that the page shows in another form: as rows of the scores, as heat maps.
_ELSEWHERE = ("published", "category_points")
_HEATED: tuple[Literal["category", "skill"], ...] = ("category", "skill")


@dataclass(frozen=True)
class GridRow:
    """A row of the paper's table: one metric of one run, or of one published model, over k."""

    name: str
    metric: str
    published: bool
    first: bool
    cells: tuple[str, ...]


class Grid(NamedTuple):
    """The paper's table for one split."""

    split: str
    ks: tuple[int, ...]
    rows: tuple[GridRow, ...]


class HeatCell(NamedTuple):
    """What a cell says, its share where it is one, and whether that is deep."""

    says: str
    share: float | None
    deep: bool


class HeatMap(NamedTuple):
    """A heat map."""

    columns: tuple[Column, ...]
    rows: list[list[HeatCell]]


def write_page(
    path: Path,
    results: Sequence[Results],
    over_generations: OverGenerations = "max",
    protocol: Protocol = "paper",
    name_rule: bool = True,
) -> None:
    """Writes the report of one or several runs.

    Args:
        path: of the HTML file; its folder is made.
        results: the runs, as `read_results` gives them.
        over_generations: how the scores were made; the page says so.
        protocol: likewise.
        name_rule: likewise.

    Raises:
        InputError: the file cannot be written.
    """
    rules = f"protocol {protocol}, name rule {'on' if name_rule else 'off'}, {over_generations} over generations"
    page = render(results, rules, beside(results, over_generations, name_rule))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Half a surrogate pair, which a reply may hold, has no UTF-8; as an escape it is right inside the JSON.
        path.write_bytes(page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written ({error.strerror})") from None


def render(results: Sequence[Results], rules: str, figures: Sequence[Published]) -> str:
    """The page as text.

    Args:
        results: the runs.
        rules: how the scores were made, in words.
        figures: published ones, to stand beside theirs.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = templates.get_template("script.js.j2").render()
    return templates.get_template("page.html.j2").render(
        results=results,
        rules=rules,
        facts={each.name: _facts(each) for each in results},
        grids=[_grid(split, results, figures) for split in dict.fromkeys(split for split, _ in all_cells(results))],
        compared=bool(figures),
        charts=[
            (TITLES[metric], charts.over_k(results, metric), charts.over_steps(results, metric)) for metric in METRICS
        ],
        size=(charts.WIDTH, charts.HEIGHT),
        marks=[(charts.height_of(share), f"{share:g}") for share in (0, 0.25, 0.5, 0.75, 1)],
        tables=[table for table in report_tables(results, figures) if table.id not in _ELSEWHERE],
        heat=[heat for each in last_of_fits(results) if (heat := _heat(each))[1]],
        style=Markup(templates.get_template("style.css.j2").render()),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        island=Markup(island(results)),
    )


def _facts(results: Results) -> list[tuple[str, str]]:
    manifest = results.manifest
    plan: dict[str, Any] = manifest.get("plan") or {}
    prompts = manifest.get("prompts") or {}
    made = manifest.get("made_with") or {}
    facts = {
        "student": results.student,
        "grader": results.grader,
        "catalogue": " ".join(str(part) for part in (results.catalogue, manifest.get("catalogue_id")) if part),
        "prompts": str(prompts.get("id") or ", ".join(map(str, prompts.get("generation", ())))),
        "seed": str(plan["seed"]) if "seed" in plan else "",
        "texts": f"{len(results.texts):,}",
        "made with": " ".join(
            f"{name} {made[name]}" for name in ("skillmix-lightning", "transformers") if made.get(name)
        ),
        "commit": str(made.get("git_commit") or "")[:12],
        "found on import": "; ".join(map(str, (manifest.get("found") or {}).get("findings", ()))),
    }
    return [(name, value) for name, value in facts.items() if value]


def _grid(split: str, results: Sequence[Results], figures: Sequence[Published]) -> Grid:
    ks = tuple(k for at, k in all_cells(results) if at == split)
    rows: list[GridRow] = []
    for each in results:
        by_k = {row.k: row for row in each.scores if row.split == split}
        if not by_k:
            continue
        for metric in METRICS:
            cells = tuple(_with_interval(by_k[k], metric) if k in by_k else "" for k in ks)
            rows.append(GridRow(each.name, TITLES[metric], False, metric == METRICS[0], cells))
        counts = tuple(f"{r.graded}/{r.planned}/{r.unscored}" if (r := by_k.get(k)) else "" for k in ks)
        rows.append(GridRow(each.name, "graded/planned/unscored", False, False, counts))
    for name in dict.fromkeys(row.name for row in figures if row.split == split):
        of_model = {row.k: row for row in figures if row.split == split and row.name == name}
        first = True
        for metric in METRICS:
            values = [getattr(of_model[k], metric) if k in of_model else None for k in ks]
            if any(value is not None for value in values):
                cells = tuple("" if value is None else f"{value:.2f}" for value in values)
                rows.append(GridRow(name, TITLES[metric], True, first, cells))
                first = False
    return Grid(split, ks, tuple(rows))


def _with_interval(row: Score, metric: str) -> str:
    mean, interval = getattr(row, metric), row.ci95[metric]
    if mean is None or interval is None:
        return "unscored"
    return f"{mean:.2f} ({interval[0]:.2f}–{interval[1]:.2f})"


def _heat(results: Results) -> tuple[str, list[HeatMap]]:
    """The run's name and its maps: categories, then skills."""
    maps = [table for what in _HEATED if (table := heat_map(results, what)).rows]
    return results.name, [HeatMap(table.columns, [_heat_row(table, row) for row in table.rows]) for table in maps]


def _heat_row(table: ReportTable, row: dict[str, Any]) -> list[HeatCell]:
    shares = [row.get(column.key) if column.kind == "share" else None for column in table.columns]
    says = table.cells(row)
    return [HeatCell(*cell, (cell[1] or 0) >= _DEEP) for cell in zip(says, shares, strict=True)]
