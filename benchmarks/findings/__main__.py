"""The paper's four findings as an experiment on this machine; goes on where it stopped.

    make findings
    .venv/bin/python -m benchmarks.findings --summary true --publish true

The first fits and scores what is not done yet. The second runs nothing, takes every seed that is whole, and puts what
came out into docs/findings.md, every test into benchmarks/findings.md and all figures into benchmarks/findings.json.
"""

import sys
from functools import partial
from pathlib import Path

from jsonargparse import auto_cli

from benchmarks.findings.conditions import Settings, conditions
from benchmarks.findings.scores import read_results
from benchmarks.findings.summary import document, every_test, overview, write_into
from benchmarks.findings.work import carry_out
from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline.embedded import embedded_dataset
from skillmix_lightning.runs.run import write_json

_ROOT = Path(__file__).parents[2]


def findings(
    seeds: int = 3,
    steps: int = Settings.steps,
    combinations: int = Settings.combinations,
    out: str = "checkpoints/findings",
    summary: bool = False,
    publish: bool = False,
) -> None:
    """Runs the experiment, prints what came out, and writes all figures to findings.json in its folder.

    Args:
        seeds: fits of each data set.
        steps: optimizer steps of each fit.
        combinations: per split and k, of each evaluation.
        out: the folder of the fits and the evaluations.
        summary: run nothing; of what is done, take every seed that is whole.
        publish: write what came out into this repository's guide.
    """
    if not summary:
        dataset, _ = embedded_dataset("embedded:verifiable-d123")
        carry_out(conditions(seeds), Settings(steps, combinations), dataset, Path(out), partial(print, flush=True))
    results = read_results(Path(out), seeds)
    print(overview(results))
    write_json(Path(out) / "findings.json", document(results))
    if publish:
        write_into(_ROOT / "docs" / "findings.md", overview(results))
        write_into(_ROOT / "benchmarks" / "findings.md", every_test(results))
        write_json(_ROOT / "benchmarks" / "findings.json", document(results))


def main() -> None:
    """Exit status 2 where the input is at fault or a verb fails, 1 on Ctrl-C."""
    try:
        auto_cli(findings, as_positional=False)
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        sys.exit(1)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
