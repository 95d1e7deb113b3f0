"""Carries out what is not done yet: one condition after the other, each a fit and an evaluation by the package's verbs.

A condition is done when its `done.json` is there, which is written last. A fit that was interrupted begins anew, an
evaluation goes on; the weights of a fit, 0.5 GB, are deleted once they are scored.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.findings.conditions import (
    BASE,
    BASE_MODEL,
    DONE,
    SETTINGS,
    Condition,
    Settings,
    evaluate_command,
    fit_command,
)
from skillmix_lightning.errors import InputError
from skillmix_lightning.runs.run import write_json

#: Runs a verb of the package with these arguments, its output to this file.
Verb = Callable[[Sequence[str], Path], None]


def run_verb(arguments: Sequence[str], log: Path) -> None:
    """Runs a verb as a user does, in a process of its own.

    Raises:
        InputError: it ended with an error; its last words are in the message.
    """
    command = [sys.executable, "-m", "skillmix_lightning", *arguments]
    with log.open("ab") as output:
        status = subprocess.run(command, stdout=output, stderr=output, env={**os.environ, "COLUMNS": "120"}).returncode
    if status:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        raise InputError(f"{arguments[0]} ended with status {status}, see {log}: {' '.join(said)[-400:]}")


def settle(out: Path, settings: Settings) -> None:
    """Notes the settings in the folder, or checks that what is there was made with them.

    Raises:
        InputError: the folder holds results of other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / SETTINGS
    if not file.exists():
        write_json(file, settings.document())
    elif (before := json.loads(file.read_text(encoding="utf-8"))) != settings.document():
        raise InputError(f"{out}: holds results of other settings, {before}; give these, or another --out")


def carry_out(
    todo: Sequence[Condition],
    settings: Settings,
    dataset: Path,
    out: Path,
    say: Callable[[str], object] = print,
    verb: Verb = run_verb,
) -> None:
    """Fits and scores every condition that is not done.

    Args:
        todo: the conditions, in order.
        settings: shared by all.
        dataset: the file of D(1,2,3).
        out: where their folders are.
        say: is told what begins and how long it took.
        verb: runs a verb.
    """
    settle(out, settings)
    for number, condition in enumerate(todo, start=1):
        folder = out / condition.name
        if not (folder / DONE).exists():
            say(f"{number} of {len(todo)}, {condition.name}")
            seconds = _carry_out(condition, settings, dataset, folder, verb)
            say(", ".join(f"{what} {taken:.0f} s" for what, taken in seconds.items()))
        shutil.rmtree(folder / "model", ignore_errors=True)


def _carry_out(condition: Condition, settings: Settings, dataset: Path, folder: Path, verb: Verb) -> dict[str, float]:
    folder.mkdir(exist_ok=True)
    log, model, fit = folder / "log.txt", folder / "model", folder / "fit"
    seconds: dict[str, float] = {}

    def timed(name: str, arguments: Sequence[str]) -> None:
        started = time.monotonic()
        verb(arguments, log)
        seconds[name] = round(time.monotonic() - started, 1)

    if condition.texts != BASE and not model.exists():
        shutil.rmtree(fit, ignore_errors=True)
        timed("fit", fit_command(condition, settings, dataset, fit))
        timed("export", ["export", str(fit / "checkpoints" / "last"), f"--out={model}"])
    shutil.rmtree(fit / "checkpoints", ignore_errors=True)
    name = BASE_MODEL if condition.texts == BASE else str(model)
    timed("evaluate", evaluate_command(name, settings, dataset, folder / "run"))
    write_json(folder / DONE, {"seconds": seconds})
    return seconds
