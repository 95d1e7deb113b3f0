"""The scores of a fit's evaluations, from when the texts are on disk to when every rank has them.

Grading is rank 0's. The others learn of scores when all ranks ask, which costs one small broadcast while some are open
and nothing while none is.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_warn
from rich.console import Console

from skillmix_lightning.callbacks.background import BackgroundGrading, Graded, Job, Watcher
from skillmix_lightning.callbacks.grader_services import Spending
from skillmix_lightning.callbacks.ranks import Ranks
from skillmix_lightning.callbacks.results import tag
from skillmix_lightning.callbacks.showing import Showing
from skillmix_lightning.graders.base import Grader
from skillmix_lightning.report.progress import progress_bar
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import METRICS, CombinationScore, Score, score_combinations
from skillmix_lightning.scoring.metrics import TextScore

_SIGTERM_STATUS = 128 + 15

#: An evaluation whose scores are to come: its run's folder, the seconds it took to write, the ranks that failed.
Opened = tuple[str, float, tuple[int, ...]]

#: What an evaluation comes to on every rank: its step, and its scores by cell and by combination.
_Scored = tuple[int, list[Score], list[CombinationScore]]


class ScoresToCome:
    """Hands texts to the grader and takes scores, in order of steps.

    Args:
        grader: who grades.
        gradings: rounds per text.
        spending: the grader's budgets.
        console: for progress bars.
        showing: shows each evaluation as its scores come.

    Attributes:
        ranks: of the fit; to be set before anything else is done.
        history: step to the scores of each split and k.
        rows: step to the scores of single combinations.
        open: step to evaluations whose scores are to come.
    """

    ranks: Ranks

    def __init__(self, grader: Grader, gradings: int, spending: Spending, console: Console, showing: Showing) -> None:
        self.history: dict[int, list[Score]] = {}
        self.rows: dict[int, list[CombinationScore]] = {}
        self.open: dict[int, Opened] = {}
        self._grading = BackgroundGrading(grader, gradings, spending)
        self._console = console
        self._showing = showing
        self._warned = False

    def watch(self, watcher: Watcher) -> None:
        """Has the watcher told of every grade that comes, on rank 0."""
        self._grading.watchers.append(watcher)

    def take_up(self, evaluations: Mapping[int, Opened]) -> None:
        """Has graded what is missing in these; every rank must call it."""
        self.open |= evaluations
        if self.ranks.rank == 0:
            for step in sorted(evaluations):
                folder, seconds, failed_ranks = evaluations[step]
                self._grading.submit(Job(step, Run(Path(folder)), seconds, failed_ranks))

    def collect(self, trainer: Trainer, limit_s: float = 0.0, stopped: Callable[[], bool] = lambda: False) -> None:
        """Takes the scores that have come, or come within the limit or until it is stopped; every rank must call it."""
        if self.open:
            scored = self.ranks.from_zero(lambda: self._scored(trainer, self._awaited(limit_s, stopped)))
            self._take(trainer, scored)

    def finish(self, trainer: Trainer, limit_s: float, stopped: Callable[[], bool]) -> None:
        """Waits for what is open, then goes on with the grades there are; every rank must call it.

        Args:
            trainer: of the fit.
            limit_s: how long to wait.
            stopped: whether SIGTERM has come, on rank 0.

        Raises:
            SystemExit: it came; what is graded is shown and on disk.
        """
        if not self.open:
            return

        def end() -> tuple[list[_Scored], bool]:
            graded = self._awaited(limit_s, stopped)
            return self._scored(trainer, graded + self._grading.give_up()), stopped()

        scored, was_stopped = self.ranks.from_zero(end)
        self._take(trainer, scored)
        if was_stopped:
            # Other ranks leave with 0: their launcher would kill rank 0 for anything else.
            raise SystemExit(_SIGTERM_STATUS if self.ranks.rank == 0 else 0)

    def close(self) -> None:
        """Begins no further grading; what is graded is on disk."""
        self._grading.close()

    def state_dict(self) -> dict[str, Any]:
        """What was scored and what is open, in plain values."""
        return {
            "history": {step: [vars(row) for row in scores] for step, scores in self.history.items()},
            "rows": {step: [_plain_row(row) for row in rows] for step, rows in self.rows.items()},
            "open": {step: list(opened) for step, opened in self.open.items()},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes it back; what is open is graded once it is taken up."""
        self.history = {step: [Score(**row) for row in rows] for step, rows in state_dict["history"].items()}
        self.rows = {step: [_row(row) for row in rows] for step, rows in state_dict["rows"].items()}
        self.open = {step: (folder, s, tuple(failed)) for step, (folder, s, failed) in state_dict["open"].items()}

    def _awaited(self, limit_s: float, stopped: Callable[[], bool]) -> list[Graded]:
        """What has been graded within the limit, or until it is stopped."""
        if limit_s <= 0:
            return self._grading.finished()
        shown = 0
        with progress_bar(self._console, "SKILL-MIX: waiting for grades", self._grading.asked) as advance:

            def look() -> bool:
                nonlocal shown
                advance(self._grading.graded - shown)
                shown = self._grading.graded
                return stopped()

            return self._grading.finished(limit_s, look)

    def _scored(self, trainer: Trainer, came: Sequence[Graded]) -> list[_Scored]:
        """Shows what has come, on rank 0; returns what the other ranks need of it."""
        scored: list[_Scored] = []
        for graded in came:
            if graded.trouble and not self._warned:
                self._warned = True
                rank_zero_warn(
                    f"step {graded.step}: {graded.trouble}; such texts are unscored and the fit goes on. Started again "
                    "in the same folder it asks for what is missing. This is not said again for later steps"
                )
            if graded.result is None:
                scored.append((graded.step, [], []))
                continue
            rows = score_combinations(graded.result.compositions, graded.result.grades)
            scored.append((graded.step, graded.result.scores, rows))
            self.history[graded.step], self.rows[graded.step] = graded.result.scores, rows
            self._showing.show(trainer, graded.result, self.history, self.rows)
        return scored

    def _take(self, trainer: Trainer, scored: Sequence[_Scored]) -> None:
        for step, scores, rows in scored:
            del self.open[step]
            if not scores:
                continue
            self.history[step], self.rows[step] = scores, rows
            values = {tag(row.split, row.k, name): getattr(row, name) for row in scores for name in METRICS}
            trainer.callback_metrics.update({key: torch.tensor(v) for key, v in values.items() if v is not None})


def _plain_row(row: CombinationScore) -> list[Any]:
    values = None if row.score is None else [getattr(row.score, metric) for metric in METRICS]
    return [row.combination_id, row.split, row.k, values]


def _row(row: Sequence[Any]) -> CombinationScore:
    combination_id, split, k, values = row
    return CombinationScore(combination_id, split, k, None if values is None else TextScore(*values))
