"""`score RUN…`: from saved grades to scores, offline."""

import json as jsonlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from skillmix_lightning.report.terminal import score_table
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import OverGenerations, Protocol, scores_document, write_scores
from skillmix_lightning.verbs.parser import parse


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    score(**parse(verb, score, args, {"runs": "several"}))


def score(
    runs: list[str],
    protocol: Protocol = "paper",
    over_generations: OverGenerations = "max",
    name_rule: bool = True,
    json: bool = False,
) -> None:
    """Recomputes the scores of runs from their saved grades, prints them and writes each run's scores.json.

    Args:
        runs: run folders.
        protocol: paper (the paper's rules, robustly applied) or reference (what the reference implementation computes,
            defects included; for runs whose graders reply with tables).
        over_generations: the best of a combination's generations, or their mean.
        name_rule: whether a text that names a skill loses that skill's point.
        json: print one JSON document: that of scores.json with the run's folder, or {"runs": [those]} for several.

    Raises:
        InputError: a folder holds no run, or a record is malformed.
    """
    documents: list[dict[str, Any]] = []
    console = Console(stderr=json)
    for folder in runs:
        run = Run(Path(folder))
        scores = write_scores(run, over_generations, protocol=protocol, name_rule=name_rule)
        documents.append({"run": folder, **scores_document(scores, over_generations, protocol, name_rule)})
        if not json:
            console.print(score_table(scores, folder, over_generations, protocol, name_rule))
    if json:
        document = documents[0] if len(documents) == 1 else {"runs": documents}
        jsonlib.dump(document, sys.stdout, indent=2)
        print()
