"""`merge RUN… --out RUN`: the runs of a plan's shards become one run, with its scores or its data set."""

import json as jsonlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from skillmix_lightning.pipeline.dataset_files import DATASET
from skillmix_lightning.pipeline.merge import merge_runs
from skillmix_lightning.pipeline.synthesis_plan import SynthesisPlan
from skillmix_lightning.pipeline.synthesize import derive
from skillmix_lightning.report.terminal import score_table
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import scores_document, write_scores
from skillmix_lightning.verbs.parser import parse
from skillmix_lightning.verbs.synthesize import show, writable


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    merge(**parse(verb, merge, args, {"runs": "several"}))


def merge(runs: list[str], out: str, json: bool = False) -> None:
    """Joins the runs that were made with --shard 1/n to n/n, and makes the scores or the data set of all together.

    Args:
        runs: the shards' folders, in any order; nothing in them changes.
        out: the folder of the run to make.
        json: print one JSON document instead of tables.

    Raises:
        InputError: the runs are not all the shards of one plan, or the folder holds another run.
        Stopped: the disk is full; the same command goes on.
    """
    with writable():
        document = _merged([Run(Path(folder)) for folder in runs], Path(out), json)
    if json:
        jsonlib.dump(document, sys.stdout, indent=2)
        print()


def _merged(shards: Sequence[Run], out: Path, json: bool) -> dict[str, Any]:
    """Makes the run and what follows from its records, shows it, and returns it as a document."""
    run = merge_runs(shards, out)
    plan = run.manifest()["plan"]
    if "attempts" in plan:
        made = derive(run, SynthesisPlan.of_manifest(plan))
        if not json:
            show(out, made, "run synthesize on this folder with the same settings, without --shard, for more")
        ks = [asdict(row) for row in made.yields]
        return {"run": str(out), "data": str(out / DATASET), "kept": made.kept, "ks": ks}
    scores = write_scores(run)
    if not json:
        Console().print(score_table(scores, str(out)))
    return {"run": str(out), **scores_document(scores, "max", "paper", True)}
