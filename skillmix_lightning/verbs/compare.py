"""`compare RUN_A RUN_B`: paired tests on the same combinations, and the agreement of graders on the same texts."""

import json as jsonlib
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from skillmix_lightning.errors import InputError
from skillmix_lightning.report.comparison import agreement_table, comparison_tables, full_marks_table, parrot_table
from skillmix_lightning.scoring import OverGenerations, Protocol
from skillmix_lightning.scoring.agreement import Agreement, FullMarks, between_graders, between_rounds, full_marks
from skillmix_lightning.scoring.comparable import (
    Difference,
    Rules,
    RunRecords,
    check_comparable,
    common_rules,
    same_texts,
)
from skillmix_lightning.scoring.comparison import Comparison
from skillmix_lightning.scoring.comparison import compare as compare_scores
from skillmix_lightning.scoring.frequencies import load_frequencies
from skillmix_lightning.scoring.parrot import ParrotBound, parrot_bounds
from skillmix_lightning.verbs.parser import parse


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    compare(**parse(verb, compare, args, {"runs": "several"}))


def compare(
    runs: list[str],
    protocol: Protocol | None = None,
    over_generations: OverGenerations | None = None,
    name_rule: bool | None = None,
    allow: list[Difference] | None = None,
    least_agreement: float | None = None,
    frequencies: str | None = None,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Compares two runs on the same combinations, and graders on the same texts.

    Two runs are tested against each other, pair by pair. Runs of the same texts with different graders (`grade` makes
    them), any number of them, are also shown with the graders' agreement; so is a single run's grading rounds'.

    Args:
        runs: run folders; the first is what the second is compared with.
        protocol: as in score; by default that of the runs' scores.json.
        over_generations: as in score; likewise.
        name_rule: as in score; likewise.
        allow: differences of the runs that are meant: prompts, generations, gradings, grader.
        least_agreement: of graders of the same texts, such as a new grading of a frozen set by a model that may have
            changed under its name; criteria on which they agree less often are reported.
        frequencies: a YAML or CSV file with how often skills and topics occur in a corpus; the most that a student who
            only repeats it can reach is printed beside full marks.
        seed: of random sign flips, which only metrics with very many different values need.
        json: print one JSON document instead of tables.

    Raises:
        InputError: the runs cannot be compared, or a file is malformed.
    """
    if len(set(runs)) < len(runs):
        raise InputError("a run is given twice; give different runs")
    if least_agreement is not None and not 0 < least_agreement <= 1:
        raise InputError(f"--least_agreement {least_agreement}: must be above 0 and at most 1")
    records = [RunRecords.read(folder) for folder in runs]
    for other in records[1:]:
        check_comparable(records[0], other, allow or ())
    if len(records) == 1 and records[0].gradings == 1 and frequencies is None:
        raise InputError(f"{runs[0]}: one run with one grading round leaves nothing to compare; give a second run")
    graders = len(records) > 1 and same_texts(records)
    if len(records) > 2 and not graders:
        raise InputError("more than two runs are compared only where they hold the same texts; give two")
    if least_agreement is not None and not graders:
        raise InputError("--least_agreement is about runs of the same texts, and these are of different ones")
    rules = common_rules(records, protocol, over_generations, name_rule)
    bounds = []
    if frequencies is not None:
        bounds = parrot_bounds((c.combination for c in records[0].compositions), load_frequencies(frequencies))
    _show(records, rules, graders, least_agreement, bounds, seed, json)


def _show(
    records: Sequence[RunRecords],
    rules: Rules,
    graders: bool,
    least_agreement: float | None,
    bounds: Sequence[ParrotBound],
    seed: int,
    json: bool,
) -> None:
    first = records[0]
    comparisons: list[Comparison] = []
    if len(records) == 2:
        before, after = (run.combination_scores(rules) for run in records)
        comparisons = compare_scores(before, after, seed)
    agreement: list[Agreement] = []
    seen: list[FullMarks] = []
    rounds: dict[str, list[Agreement]] = {}
    if graders:
        agreement = between_graders(first.compositions, {run.name: run.grades for run in records})
        seen = full_marks({run.name: run.scored_texts(rules) for run in records}, rules.over_generations)
    if graders or len(records) == 1:
        rounds = {run.name: between_rounds(run.compositions, run.grades) for run in records if run.gradings > 1}
    below = [row.criterion for row in agreement if _is_below(row, least_agreement)]
    if json:
        document = {
            "runs": [run.name for run in records],
            **asdict(rules),
            "comparisons": [{**asdict(row), "verdict": row.verdict} for row in comparisons],
            "agreement": [asdict(row) for row in agreement],
            "agreement_of_rounds": {name: [asdict(row) for row in rows] for name, rows in rounds.items()},
            "full_marks": [asdict(row) for row in seen],
            "below_least_agreement": below,
            "parrot_bounds": [asdict(row) for row in bounds],
        }
        jsonlib.dump(document, sys.stdout, indent=2)
        print()
        return
    console = Console()
    if comparisons:
        shown = f"protocol {rules.protocol}, name rule {'on' if rules.name_rule else 'off'}"
        shown += f", {rules.over_generations} over generations"
        for table in comparison_tables(comparisons, first.name, records[1].name, shown):
            console.print(table)
    if agreement:
        console.print(agreement_table(agreement, "agreement of " + " and ".join(run.name for run in records)))
        console.print(full_marks_table(seen))
    for name, rows in rounds.items():
        console.print(agreement_table(rows, f"agreement of the grading rounds of {name}"))
    if bounds:
        console.print(parrot_table(bounds, {run.name: _means(run, rules) for run in records}))
    if least_agreement is not None:
        verdict = f"below it on: {', '.join(below)}" if below else "reached on every criterion"
        console.print(f"least agreement {least_agreement}: {verdict}")


def _is_below(row: Agreement, least: float | None) -> bool:
    return least is not None and row.raw is not None and row.raw < least


def _means(run: RunRecords, rules: Rules) -> dict[tuple[str, int], float]:
    values: dict[tuple[str, int], list[float]] = {}
    for row in run.combination_scores(rules):
        if row.score is not None:
            values.setdefault((row.split, row.k), []).append(row.score.full_marks)
    return {cell: sum(of_cell) / len(of_cell) for cell, of_cell in values.items()}
