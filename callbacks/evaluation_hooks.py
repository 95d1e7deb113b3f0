"""What an evaluation does at each moment of a fit: it has the model write, has the texts graded, and takes scores."""

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from rich.console import Console

from skillmix_lightning.callbacks.background import Watcher, noting_sigterm
from skillmix_lightning.callbacks.generation import Generation, Written, share
from skillmix_lightning.callbacks.grader_services import Money, Spending, check_grader
from skillmix_lightning.callbacks.ranks import Ranks
from skillmix_lightning.callbacks.results import tag
from skillmix_lightning.callbacks.scores_to_come import Opened, ScoresToCome
from skillmix_lightning.callbacks.showing import Showing
from skillmix_lightning.callbacks.step_runs import Key, StepRuns, fit_identity, runs_folder
from skillmix_lightning.catalogue import ContaminationRow, contamination
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.endpoint.self_grading import refuse_grading_by_base
from skillmix_lightning.graders.base import Grader
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.pipeline.trained import trained_combinations
from skillmix_lightning.report.contamination import contamination_table
from skillmix_lightning.report.progress import progress_bar
from skillmix_lightning.report.terminal import change_table
from skillmix_lightning.scoring import METRICS, Score
from skillmix_lightning.training import SkillMixModule

_PATIENCE = timedelta(minutes=30)


class EvaluationHooks(Callback):
    """The hooks of `SkillMixEvaluation`, which has their settings and describes them.

    Args:
        plan: what is written.
        grader: who grades.
        generation: how the model writes.
        money: what grading may cost.
        shown_texts: texts per split and k that go to TensorBoard.
    """

    every_n_steps: int
    at_start: bool
    at_end: bool
    wait_for_scores: bool
    grading_timeout_s: float
    allow_self_grading: bool

    def __init__(self, plan: Plan, grader: Grader, generation: Generation, money: Money, shown_texts: int) -> None:
        self.plan = plan
        # Drawn here, so that a plan that cannot be carried out fails before any weights are loaded.
        self.requests = plan.requests()
        self.contamination: list[ContaminationRow] = []
        self.grader = grader
        self.generation = generation
        self.money = money
        self._spending = Spending(grader, money)
        self._spent = (0.0, 0)
        self._trained = False
        self._end: int | None = None
        self._console = Console()
        showing = Showing(self._console, shown_texts)
        self._scores = ScoresToCome(grader, plan.gradings, self._spending, self._console, showing)

    @property
    def history(self) -> dict[int, list[Score]]:
        """Optimizer step to the scores of that evaluation, of those that have come."""
        return self._scores.history

    @property
    def tags(self) -> list[str]:
        """What can be monitored."""
        return [
            f"skillmix/{split}/k{k}/{metric}" for split in self.plan.splits for k in self.plan.ks for metric in METRICS
        ]

    def evaluates(self, step: int) -> bool:
        """Whether what the weights of a step write is scored, now or later."""
        return step in self.history or self.awaits(step)

    def awaits(self, step: int) -> bool:
        """Whether the scores of a step are to come."""
        return step in self._scores.open or step == self._end

    def score_at(self, step: int, monitor: str) -> float | None:
        """A step's score; None if it has not come, or if texts or grades of that split and k are missing.

        A mean over the texts that a budget or a failed rank has left is not comparable with one over all.
        """
        for row in self.history.get(step, ()):
            on_record = row.grades["graded"] + row.grades["unscored"]
            for metric in METRICS:
                if monitor == tag(row.split, row.k, metric) and on_record == row.grades["planned"]:
                    score: float | None = getattr(row, metric)
                    return score
        return None

    def watch_grading(self, watcher: Watcher) -> None:
        """Has the watcher told of every grade of this fit, in the thread that grades; on rank 0."""
        self._scores.watch(watcher)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Draws again without the fit's data set, and asks the grader for one word; weights are loaded after this.

        Raises:
            InputError: too few other combinations are left, or the grader is the model itself or does not answer.
        """
        if stage != "fit" or not self.requests:
            return
        refuse_grading_by_base(getattr(pl_module, "model_name", ""), self.grader, self.allow_self_grading)
        data = getattr(trainer, "datamodule", None)
        if isinstance(data, SkillMixDataModule):
            trained = set().union(*map(trained_combinations, data.paths))
            self.requests = self.plan.requests(exclude=trained)
            drawn = dict.fromkeys(request.combination for request in self.requests)
            self.contamination = contamination(list(drawn), trained)
        self._ranks = self._scores.ranks = Ranks(_PATIENCE + timedelta(seconds=self.grading_timeout_s))
        if hasattr(self.grader, "services"):
            folder = runs_folder(trainer)
            self._ranks.from_zero(lambda: self._hire(folder, check=True))

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finds the fit's own folder.

        Raises:
            InputError: it holds the evaluations of another fit.
        """
        if not self.requests:
            return
        folder = runs_folder(trainer)
        manifest = {
            **self.plan.manifest(),
            "student": getattr(pl_module, "model_name", ""),
            "grader": self.grader.name,
            "contamination": [asdict(row) for row in self.contamination],
            "fit": fit_identity(pl_module, getattr(trainer, "datamodule", None)),
        }
        self._runs = StepRuns(folder, json.loads(json.dumps(manifest)))
        self._ranks.from_zero(self._runs.refuse_others)
        self._trained = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Has graded what an earlier start left ungraded; evaluates before the first step, unless one has done so."""
        if not self.requests:
            return
        self._trained = True
        self._end = trainer.max_steps if self.at_end else None
        if trainer.is_global_zero and self.contamination:
            self._console.print(contamination_table(self.contamination))
        self._go_on({})
        if self.at_start and trainer.global_step == 0:
            self.evaluate(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Logs the scores that have come, and evaluates every `every_n_steps` optimizer steps."""
        self._scores.collect(trainer)
        if self.every_n_steps and trainer.global_step % self.every_n_steps == 0:
            self.evaluate(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the scores that have come."""
        self._scores.collect(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates after the last step, waits for all scores, and prints the first evaluation beside the last."""
        with noting_sigterm() as stopped:
            if self.at_end:
                self.evaluate(trainer, pl_module)
            self._end = None
            self._scores.finish(trainer, self.grading_timeout_s, stopped)
        if trainer.is_global_zero and len(self.history) > 1:
            self._console.print(change_table(self.history))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Of a fit that was done when it was started: has graded what it had left ungraded."""
        if self._trained or not self.requests:
            return
        self._go_on(self._ranks.from_zero(self._left_ungraded))
        with noting_sigterm() as stopped:
            self._scores.finish(trainer, self.grading_timeout_s, stopped)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Begins no further grading; what is graded is on disk."""
        self._scores.close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Ends the worker."""
        self._scores.close()

    def evaluate(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Has the model write what is not on record, and hands it to the grader; every rank must call it."""
        step = trainer.global_step
        if not self.requests or step in self.history or step in self._scores.open:
            return
        assert isinstance(pl_module, SkillMixModule), "the evaluation needs the module's model, tokenizer and name"
        on_record: set[Key] = self._ranks.from_zero(lambda: self._runs.begin(step))
        missing = [r for r in self.requests if (r.combination.id, r.generation) not in on_record]
        written = Written([], {}, 0.0)
        if missing:
            self._console.quiet = not trainer.is_global_zero
            mine = len(share(missing, self._ranks.rank, self._ranks.size))
            with progress_bar(self._console, f"SKILL-MIX at step {step}: writing", mine) as advance:
                written = self.generation.write(trainer, pl_module, missing, self._ranks, advance)
        for rank, failure in written.failures.items():
            left = len(missing) - len(written.compositions)
            rank_zero_warn(f"step {step}, rank {rank}: {failure}; {left} of {len(missing)} texts were not written")
        self._ranks.from_zero(lambda: str(self._runs.add(step, written.compositions).folder))
        self._scores.take_up({step: (str(self._runs.at(step).folder), written.seconds, tuple(written.failures))})
        if self.wait_for_scores:
            with noting_sigterm() as stopped:
                self._scores.collect(trainer, self.grading_timeout_s, stopped)

    def state_dict(self) -> dict[str, Any]:
        """What was scored, what is open, and what was spent, so that a resumed fit goes on with it."""
        return {**self._scores.state_dict(), "spent": list(self._spending.spent)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes it back."""
        self._scores.load_state_dict(state_dict)
        usd, tokens = state_dict["spent"]
        self._spent = (usd, tokens)

    def _hire(self, folder: Path, check: bool) -> None:
        self._spending.open(list(StepRuns(folder, {}).on_record().values()), *self._spent)
        if check:
            check_grader(self.grader)

    def _go_on(self, ungraded: dict[int, Opened]) -> None:
        """Has graded what an earlier start left, whose spending counts; a checkpoint has told of both by now."""
        if any(self._spent):
            self._ranks.from_zero(lambda: self._hire(self._runs.folder, check=False))
        self._scores.take_up(ungraded | self._scores.open)

    def _left_ungraded(self) -> dict[int, Opened]:
        found = self._runs.ungraded(self.grader.name, self.plan.gradings)
        return {step: (str(run.folder), 0.0, ()) for step, run in found.items()}
