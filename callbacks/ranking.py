"""Which checkpoints are kept by the SKILL-MIX scores of their own steps, which come later than the checkpoints do."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_warn

from skillmix_lightning.callbacks.evaluation_hooks import EvaluationHooks
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.runs.run import write_json

#: How a metric that is scored after the checkpoint begins.
PREFIX = "skillmix/"
_FILE = "ranking.json"


class Ranking:
    """The checkpoints of a fit, by their scores as far as these have come; the same on every rank.

    A checkpoint that waits for its score is kept beside the best. One whose score will not come is never called best:
    such checkpoints take the places that scored ones leave free, the newest of them first.

    Args:
        monitor: the metric; the largest is best, and of equals the one that was scored first.
        keep: how many checkpoints are kept; -1 for all.

    Attributes:
        scored: path to score.
        unscored: path to step, of those that wait and of those whose score will not come.
    """

    def __init__(self, monitor: str, keep: int) -> None:
        self.monitor = monitor
        self.keep = keep
        self.scored: dict[str, float] = {}
        self.unscored: dict[str, int] = {}
        self._waiting: list[str] = []
        self._written: dict[str, Any] = {}

    def add(self, path: str, step: int) -> None:
        """Takes in a checkpoint of an evaluated step."""
        self.scored.pop(path, None)
        self.unscored[path] = step

    def settle(self, score_at: Callable[[int, str], float | None], awaits: Callable[[int], bool]) -> list[str]:
        """Ranks what has been scored; returns the checkpoints that are kept no longer.

        Args:
            score_at: a step's score by the metric, None if there is none.
            awaits: whether a step's scores are to come.
        """
        for path, step in list(self.unscored.items()):
            if (score := score_at(step, self.monitor)) is not None:
                del self.unscored[path]
                self.scored[path] = score
        self._waiting = [path for path, step in self.unscored.items() if awaits(step)]
        if self.keep < 0:
            return []
        newest_first = sorted(self.unscored, key=lambda path: -self.unscored[path])
        settled = self.best_first() + [path for path in newest_first if path not in self._waiting]
        beyond = settled[self.keep :]
        for path in beyond:
            self.scored.pop(path, None)
            self.unscored.pop(path, None)
        return beyond

    def best_first(self) -> list[str]:
        """The scored checkpoints."""
        return sorted(self.scored, key=lambda path: -self.scored[path])

    def write(self, folder: Path) -> None:
        """Writes `ranking.json` beside the checkpoints, each of which holds only what was known when it was saved."""
        known = [{"checkpoint": Path(path).name, "score": self.scored[path]} for path in self.best_first()]
        without = [Path(path).name for path in self.unscored if path not in self._waiting]
        waiting = [Path(path).name for path in self._waiting]
        said = {"monitor": self.monitor, "best_first": known, "waiting": waiting, "unscored": without}
        if said != self._written:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / _FILE, said)
            self._written = said

    def state_dict(self) -> dict[str, Any]:
        """Both groups, in plain values."""
        return {"scored": dict(self.scored), "unscored": dict(self.unscored)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes back those that are still there: later scores may have had some removed."""
        self.scored = {path: score for path, score in state_dict["scored"].items() if Path(path).is_dir()}
        self.unscored = {path: step for path, step in state_dict["unscored"].items() if Path(path).is_dir()}


def best_on_record(folder: Path, monitor: str) -> Path | None:
    """The best checkpoint in a folder by its `ranking.json`; None if there is none by this metric."""
    try:
        said = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if said["monitor"] != monitor or not said["best_first"]:
        return None
    return folder / str(said["best_first"][0]["checkpoint"])


def find_scorer(trainer: Trainer, monitor: str, mode: str, every_n_steps: int) -> EvaluationHooks:
    """The evaluation that scores a metric; only checkpoints of steps that it evaluates can be ranked.

    Args:
        trainer: of the fit.
        monitor: the metric.
        mode: which values of it are best.
        every_n_steps: optimizer steps between checkpoints; 0 where they follow validations.

    Raises:
        InputError: no evaluation logs it, or no checkpoint would ever be ranked.
    """
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    evaluations = [each for each in callbacks if isinstance(each, EvaluationHooks)]
    logged = sorted(name for each in evaluations for name in each.tags)
    scorer = next((each for each in evaluations if monitor in each.tags), None)
    if scorer is None:
        raise InputError(
            f"--checkpoint.monitor {monitor}: the fit's evaluation does not score it; "
            + (f"it scores {', '.join(logged)}" if logged else "there is none")
        )
    often, last = scorer.every_n_steps, trainer.max_steps
    problems = []
    if mode != "max":
        problems.append(f"mode is {mode}, and of {monitor} the largest is best; set max")
    first = math.lcm(often, every_n_steps or often)  # step that is both; 0 if none is ever evaluated
    if not scorer.at_end and not (first and (last < 0 or first <= last)):
        problems.append(
            f"monitor is {monitor}, and no step of {last} is both saved and evaluated; set every_n_train_steps and "
            "--evaluation.every_n_steps to the same number"
        )
    raise_all("--checkpoint", problems)
    if every_n_steps and (not often or every_n_steps % often):
        rank_zero_warn(
            f"--checkpoint.every_n_train_steps is {every_n_steps} and --evaluation.every_n_steps is {often}: "
            f"checkpoints of steps that are not evaluated cannot be ranked by {monitor}, and serve as `last` only"
        )
    return scorer
