"""`report RUN…`: tables, charts and every text of runs, in one HTML file, in the terminal, or as JSON."""

import json as jsonlib
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from skillmix_lightning.report.html import write_page
from skillmix_lightning.report.published import beside
from skillmix_lightning.report.results import read_results
from skillmix_lightning.report.tables import report_tables, skill_table
from skillmix_lightning.report.terminal import score_table
from skillmix_lightning.scoring import OverGenerations, Protocol, scores_document
from skillmix_lightning.verbs.parser import parse


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    report(**parse(verb, report, args, {"runs": "several"}))


def report(
    runs: list[str],
    out: str | None = None,
    protocol: Protocol = "paper",
    over_generations: OverGenerations = "max",
    name_rule: bool = True,
    json: bool = False,
) -> None:
    """Shows the tables of runs and writes them, with charts and a browser of every text, to one HTML file.

    Args:
        runs: run folders, or a fit's log folder for its evaluations by step.
        out: the HTML file; by default report.html in the folder named, for several none.
        protocol: as in score; the points of single texts are those of protocol paper.
        over_generations: as in score.
        name_rule: as in score.
        json: print one JSON document instead of tables.

    Raises:
        InputError: a folder holds no run, a record is malformed, or the file cannot be written.
    """
    results = read_results(runs, over_generations, protocol, name_rule)
    tables = report_tables(results, beside(results, over_generations, name_rule))
    if out is None and len(runs) == 1:
        out = str(Path(runs[0]) / "report.html")
    if out is not None:
        write_page(Path(out), results, over_generations, protocol, name_rule)
    if json:
        scored = [
            {"run": r.label, "step": r.step, **scores_document(r.scores, over_generations, protocol, name_rule)}
            for r in results
        ]
        shown = {table.id: table.document() for table in (*tables, skill_table(results))}
        jsonlib.dump({"report": out, "runs": scored, **shown}, sys.stdout, indent=2)
        print()
        return
    console = Console()
    for each in results:
        console.print(score_table(each.scores, each.name, over_generations, protocol, name_rule))
    for table in tables:
        console.print(table.for_terminal())
    if out is not None:
        console.print(f"report: {out}", soft_wrap=True, highlight=False, markup=False)
