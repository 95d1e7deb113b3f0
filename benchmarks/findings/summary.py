"""The tables of what came out, as Markdown, and the figures as JSON."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.findings.conditions import BASE, TITLES
from benchmarks.findings.scores import Results, pooled
from benchmarks.findings.verdicts import FINDINGS, Cell, Finding, cells, contrast_verdict, finding_verdict
from skillmix_lightning.errors import InputError
from skillmix_lightning.models import fastest_precision
from skillmix_lightning.scoring import METRICS, CombinationScore
from skillmix_lightning.scoring.intervals import interval

#: Full marks are the paper's metric; where they are at the floor, the skill fraction still moves.
SHOWN = ("full_marks", "skill_fraction")

_BEGIN, _END = "<!-- begin: written by make findings -->", "<!-- end: written by make findings -->"
_SPLITS = ("train", "held_out")


def overview(results: Results) -> str:
    """When and where, the scores, and the verdicts."""
    return "\n\n".join(
        [_made(results), *(_scores(results, metric) for metric in SHOWN), _verdicts(results)],
    )


def every_test(results: Results) -> str:
    """Every paired test behind the verdicts."""
    return "\n\n".join(_tests(results, metric) for metric in SHOWN)


def document(results: Results) -> dict[str, Any]:
    """All figures, for another program."""
    return {
        "made": _made(results),
        "settings": dict(results.settings),
        "seeds": results.seeds,
        "seconds": {what: list(taken) for what, taken in results.seconds.items()},
        "scores": [
            {"condition": condition, "split": cell[0], "k": cell[1], "metric": metric}
            | _figures(results, condition, cell, metric)
            for metric in METRICS
            for condition in TITLES
            for cell in _cells(results)
        ],
        "findings": [_finding(results, finding, metric) for metric in SHOWN for finding in FINDINGS],
    }


def write_into(file: Path, text: str) -> None:
    """Puts the text between the file's marks.

    Raises:
        InputError: the file lacks one of them.
    """
    before, begin, rest = file.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise InputError(f"{file}: lacks the line {_END if begin else _BEGIN}, between which and its pair tables go")
    file.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")


def _finding(results: Results, finding: Finding, metric: str) -> dict[str, Any]:
    contrasts = [(contrast, cells(contrast, results.by_seed, metric)) for contrast in finding.contrasts]
    return {
        "number": finding.number,
        "claim": finding.claim,
        "metric": metric,
        "verdict": finding_verdict(finding, results.by_seed, metric),
        "contrasts": [
            {**asdict(contrast), "verdict": contrast_verdict(contrast, found), "cells": [_cell(each) for each in found]}
            for contrast, found in contrasts
        ],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {**asdict(cell.row), "by_seed": cell.by_seed, "outcome": cell.outcome}


def _made(results: Results) -> str:
    in_bf16 = fastest_precision("cpu") == "bf16-mixed"
    machine = f"{len(os.sched_getaffinity(0))} cores, {'AVX-512 BF16' if in_bf16 else platform.machine()} CPU"
    seeds = (
        f"{results.seeds} of {results.planned} seeds" if results.seeds < results.planned else f"{results.seeds} seeds"
    )
    settings = results.settings
    each = {what: fmean(taken) / 60 for what, taken in results.seconds.items()}
    return (
        f"{results.finished}, {machine}, torch {version('torch')}: {seeds}, {settings['steps']} optimizer steps a fit, "
        f"{settings['combinations']} combinations per split and k; {each['fit']:.1f} minutes a fit, "
        f"{each['evaluate']:.1f} an evaluation, {sum(map(sum, results.seconds.values())) / 60:.0f} all together."
    )


def _scores(results: Results, metric: str) -> str:
    rows = [
        [split, str(k), *(_score(results, condition, (split, k), metric) for condition in TITLES)]
        for split, k in _cells(results)
    ]
    return f"{_title(metric)}: mean (95% interval over combinations; range of the seeds)\n\n" + _table(
        ["split", "k", *TITLES.values()], rows
    )


def _score(results: Results, condition: str, cell: tuple[str, int], metric: str) -> str:
    figures = _figures(results, condition, cell, metric)
    low, high = figures["ci95"]
    by_seed = figures["by_seed"]
    seeds = f"; {min(by_seed):.2f} to {max(by_seed):.2f}" if len(by_seed) > 1 else ""
    return f"{figures['mean']:.2f} ({low:.2f} to {high:.2f}{seeds})"


def _verdicts(results: Results) -> str:
    rows = [
        [str(finding.number), finding.claim, *(finding_verdict(finding, results.by_seed, metric) for metric in SHOWN)]
        for finding in FINDINGS
    ]
    return "Does this instance show the paper's findings?\n\n" + _table(
        ["", "finding", *(f"by {_title(metric).lower()}" for metric in SHOWN)], rows
    )


def _tests(results: Results, metric: str) -> str:
    rows = []
    for finding in FINDINGS:
        for contrast in finding.contrasts:
            found = cells(contrast, results.by_seed, metric)
            pair = f"{TITLES[contrast.before]} → {TITLES[contrast.after]}"
            rows += [[str(finding.number), pair, *_test(cell)] for cell in found]
    header = ["finding", "", "split", "k", "before", "after", "difference (95%)", "by seed", "p (Holm)", "sees", "says"]
    return f"{_title(metric)}: paired tests\n\n" + _table(header, rows)


def _test(cell: Cell) -> list[str]:
    row = cell.row
    figures = (row.before, row.after, row.difference, row.ci95, row.p_holm)
    assert None not in figures, "the checker grader scores every text"
    return [
        row.split,
        str(row.k),
        f"{row.before:.2f}",
        f"{row.after:.2f}",
        f"{row.difference:+.2f} ({row.ci95[0]:+.2f} to {row.ci95[1]:+.2f})",
        ", ".join(f"{difference:+.2f}" for difference in cell.by_seed),
        "< .001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}",
        "-" if row.smallest_detectable is None else f"{row.smallest_detectable:.2f}",
        cell.outcome,
    ]


def _figures(results: Results, condition: str, cell: tuple[str, int], metric: str) -> dict[str, Any]:
    of_seeds = results.by_seed[condition]
    values = _values(pooled(of_seeds), cell, metric)
    return {
        "mean": sum(values) / len(values),
        "ci95": interval(values),
        "by_seed": [sum(of) / len(of) for of in (_values(rows, cell, metric) for rows in of_seeds)],
    }


def _values(rows: Sequence[CombinationScore], cell: tuple[str, int], metric: str) -> list[float]:
    return [float(getattr(row.score, metric)) for row in rows if row.score and (row.split, row.k) == cell]


def _cells(results: Results) -> list[tuple[str, int]]:
    there = {(row.split, row.k) for row in results.by_seed[BASE][0]}
    return sorted(there, key=lambda cell: (_SPLITS.index(cell[0]), cell[1]))


def _title(metric: str) -> str:
    return metric.replace("_", " ").capitalize()


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
