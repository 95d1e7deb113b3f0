"""What the evaluations of all conditions say, combination by combination, pooled over seeds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.findings.conditions import BASE, DONE, SETTINGS, TEXTS, Condition
from skillmix_lightning.errors import InputError
from skillmix_lightning.scoring import CombinationScore
from skillmix_lightning.scoring.comparable import Rules, RunRecords, check_comparable
from skillmix_lightning.scoring.metrics import aggregate

#: Of a condition, one list per seed; the base has one.
BySeed = Mapping[str, Sequence[Sequence[CombinationScore]]]


@dataclass(frozen=True)
class Results:
    """What is done.

    Attributes:
        by_seed: condition to its scores, seed by seed; only seeds of which every fit is scored.
        seeds: how many these are.
        planned: how many are asked for.
        settings: shared by all.
        seconds: "fit", "export" and "evaluate", to what each run of the verb took.
        finished: the day on which the last of them ended.
    """

    by_seed: BySeed
    seeds: int
    planned: int
    settings: Mapping[str, object]
    seconds: Mapping[str, Sequence[float]]
    finished: str


def read_results(out: Path, seeds: int) -> Results:
    """Reads the folder of an experiment.

    Raises:
        InputError: not even the base and one whole seed are done, or evaluations asked for different combinations.
    """
    done = [seed for seed in range(seeds) if all(_is_done(out, Condition(texts, seed)) for texts in TEXTS)]
    base = Condition(BASE, None)
    if not done or not _is_done(out, base):
        raise InputError(f"{out}: needs the base and one seed of every fit to say anything; run make findings first")
    todo = {BASE: [base], **{texts: [Condition(texts, seed) for seed in done] for texts in TEXTS}}
    runs = {texts: [RunRecords.read(str(out / each.name / "run")) for each in of] for texts, of in todo.items()}
    for run in (run for of in runs.values() for run in of):
        check_comparable(runs[BASE][0], run)
    files = [out / each.name / DONE for of in todo.values() for each in of]
    seconds: dict[str, list[float]] = {}
    for file in files:
        for what, taken in json.loads(file.read_text(encoding="utf-8"))["seconds"].items():
            seconds.setdefault(what, []).append(taken)
    return Results(
        by_seed={texts: [run.combination_scores(Rules()) for run in of] for texts, of in runs.items()},
        seeds=len(done),
        planned=seeds,
        settings=json.loads((out / SETTINGS).read_text(encoding="utf-8")),
        seconds=seconds,
        finished=date.fromtimestamp(max(file.stat().st_mtime for file in files)).isoformat(),
    )


def pooled(by_seed: Sequence[Sequence[CombinationScore]]) -> list[CombinationScore]:
    """Every combination with the mean of its metrics over seeds, so that it stays the unit of intervals and tests."""
    scores: dict[tuple[str, str, int], list[CombinationScore]] = {}
    for row in (row for of_seed in by_seed for row in of_seed):
        scores.setdefault((row.combination_id, row.split, row.k), []).append(row)
    return [
        CombinationScore(*key, aggregate(known, "mean") if (known := [r.score for r in of if r.score]) else None)
        for key, of in scores.items()
    ]


def _is_done(out: Path, condition: Condition) -> bool:
    return (out / condition.name / DONE).exists()
