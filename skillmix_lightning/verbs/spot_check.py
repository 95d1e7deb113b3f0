"""`spot-check RUN`: a blind sample of a run's texts for people to grade, and how far they agree with the grader."""

import json as jsonlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.report.results import Results, read_results
from skillmix_lightning.report.spot_check import KEY, SHEET, SpotCheck, read_sheet, sample, write_sheet
from skillmix_lightning.verbs.parser import parse


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    spot_check(**parse(verb, spot_check, args, {"run": "one"}))


def spot_check(
    run: str,
    out: str | None = None,
    read: str | None = None,
    key: str | None = None,
    texts: int = 60,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Draws texts of a run for people to grade (--out), or reads what they graded (--read) and shows the agreement.

    Args:
        run: its folder.
        out: the folder for texts.csv, which people fill in, and key.json, which they do not get.
        read: a filled texts.csv.
        key: its key.json; by default beside it.
        texts: how many to draw: as many with full marks as without, of every split and k alike.
        seed: of the draw.
        json: print one JSON document.

    Raises:
        InputError: a file or folder is not what it has to be, or points are not 0 or 1.
    """
    if (out is None) == (read is None):
        raise InputError("give --out FOLDER to draw texts, or --read FILE.csv to read those that came back")
    if texts < 1:
        raise InputError(f"--texts {texts}: must be at least 1")
    found = read_results([run])
    if len(found) > 1:
        raise InputError(f"{run}: holds {len(found)} evaluations of a fit; name one of them (skillmix/step=<step>)")
    if read is not None:
        _show(read_sheet(Path(read), Path(key) if key else Path(read).with_name(KEY), found[0].texts), json)
        return
    assert out is not None
    chosen = sample(found[0].texts, texts, seed)
    if not chosen:
        raise InputError(f"{run}: no text has points, so there is nothing that people could agree with")
    write_sheet(Path(out), chosen, load_catalogue(name) if (name := _catalogue(found[0])) else None)
    if json:
        jsonlib.dump({"sheet": str(Path(out) / SHEET), "key": str(Path(out) / KEY), "texts": len(chosen)}, sys.stdout)
        print()
        return
    print(f"{Path(out) / SHEET}: {len(chosen)} texts; the column point takes 1 (yes) or 0 (no), a row per criterion")
    print(f"{Path(out) / KEY}: says which texts they are; keep it from those who grade")


def _catalogue(results: Results) -> str | None:
    """The run's catalogue if it is there; a definition is a help, not a need."""
    name = results.catalogue
    return name if name in ("language", "verifiable") or (name and Path(name).exists()) else None


def _show(check: SpotCheck, json: bool) -> None:
    if json:
        jsonlib.dump(asdict(check), sys.stdout, indent=2)
        print()
        return
    title = f"The grader and a person: {check.texts} texts" + (
        f", {check.unfinished} unfinished" * bool(check.unfinished)
    )
    table = Table(
        title=title,
        caption="share or kappa (95% interval), of the sample, which is stratified",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("criterion")
    for name in ("points", "agree", "Cohen's kappa", "only grader", "only person"):
        table.add_column(name, justify="right")
    for row in check.criteria:
        figures = [_figure(getattr(row.agreement, name), row.agreement.ci95[name]) for name in ("raw", "kappa")]
        counts = map(str, (row.grader_only, row.person_only))
        table.add_row(row.agreement.criterion, str(row.agreement.rated), *figures, *counts)
    Console().print(table)


def _figure(value: float | None, ends: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" + (f" ({ends[0]:.2f}–{ends[1]:.2f})" if ends else "")
