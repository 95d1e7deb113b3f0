"""Scores SKILL-MIX(k) while a model trains: at the start, every n optimizer steps, and at the end."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from rich.console import Console

from skillmix_lightning.callbacks.gathering import Gather
from skillmix_lightning.callbacks.generation import Generation, Written, share
from skillmix_lightning.callbacks.grader_services import Money, check_grader, open_services
from skillmix_lightning.callbacks.ranks import Ranks
from skillmix_lightning.callbacks.scores_to_come import Opened, ScoresToCome
from skillmix_lightning.callbacks.showing import Showing
from skillmix_lightning.callbacks.step_runs import Key, StepRuns, fit_identity, runs_folder
from skillmix_lightning.catalogue import ContaminationRow, Split, contamination
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.errors import raise_all
from skillmix_lightning.graders.base import Grader
from skillmix_lightning.graders.checker import CheckerGrader
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.pipeline.trained import trained_combinations
from skillmix_lightning.report.contamination import contamination_table
from skillmix_lightning.report.progress import progress_bar
from skillmix_lightning.report.terminal import change_table
from skillmix_lightning.scoring import Score
from skillmix_lightning.training import SkillMixModule

_PATIENCE = timedelta(minutes=30)


class SkillMixEvaluation(Callback):
    """Has the model write held-out SKILL-MIX(k) samples during a fit, grades them, and logs the scores.

    The fit stands still while the model writes, on all ranks, and goes on while the texts are graded; scores are logged
    at the step that wrote the texts, whenever they come, and the end of the fit waits for them. A grader that fails
    leaves texts unscored and never ends the fit, but one that does not answer at the start is said at once.

    The combinations are the same at every evaluation, so scores are paired over steps. None of them occurs in the
    fit's data set; which of their pairs, triples, … do is printed at the start. Each evaluation is a run of its own,
    `<log folder>/skillmix/step=<step>/`, with every text and every grade: a fit that is started again in the same
    folder, or resumed, has only graded what is missing. Training goes on bit for bit as if nothing were evaluated.

    `ModelCheckpoint` and `EarlyStopping` can monitor `skillmix/<split>/k<k>/<metric>`.

    Args:
        every_n_steps: optimizer steps between evaluations; 0 for none in between.
        at_start: evaluate before the first step.
        at_end: evaluate after the last step.
        catalogue: `language`, `verifiable`, or the path of a catalogue.
        splits: which of train, held_out, all.
        ks: how many skills a text combines.
        combinations: per split and k.
        generations: texts per combination; a combination's score is the best of them, as in the paper.
        gradings: grading rounds per text.
        seed: of the draw and of the sampling.
        prompts: a built-in prompt set, or a folder.
        allow_incompatible: also draw skills recorded as impossible in one text.
        common_skills: also draw skills marked as common; False gives the "uncommon" variant.
        grader: who grades; by default the checker grader for this catalogue.
        temperature: of the sampling; 0 decodes greedily.
        max_new_tokens: per turn.
        batch_size: texts generated at a time, on each rank.
        shown_texts: texts per split and k that go to TensorBoard.
        gather: whether sharded weights are gathered whole on every rank while it writes: `always`, `never` (slower: all
            ranks go through each forward pass together), or `auto`, where free memory allows it.
        wait_for_scores: grade before the fit goes on, so that what monitors a score has that of the same step.
            Otherwise it has the newest that has come.
        grading_timeout_s: how long the end of the fit, or `wait_for_scores`, waits for grades.
        budget_usd: what the fit's grading may cost in dollars; None for no cap.
        budget_tokens: likewise in tokens.
        prices: a file of prices; None for the known ones.
        cache: of paid replies: a path, "off", or None for the default place.

    Raises:
        InputError: the plan cannot be carried out, or a setting is out of range.
    """

    def __init__(
        self,
        every_n_steps: int = 0,
        at_start: bool = True,
        at_end: bool = True,
        catalogue: str = "verifiable",
        splits: Sequence[Split] = ("train", "held_out"),
        ks: Sequence[int] = (1, 2, 3, 4),
        combinations: int = 24,
        generations: int = 1,
        gradings: int = 1,
        seed: int = 0,
        prompts: str = "brief-v1",
        allow_incompatible: bool = False,
        common_skills: bool = True,
        grader: Grader | None = None,
        temperature: float = 0.0,
        max_new_tokens: int = 256,
        batch_size: int = 48,
        shown_texts: int = 2,
        gather: Gather = "auto",
        wait_for_scores: bool = False,
        grading_timeout_s: float = 3600.0,
        budget_usd: float | None = None,
        budget_tokens: int | None = None,
        prices: str | None = None,
        cache: str | None = None,
    ) -> None:
        problems = []
        if every_n_steps < 0:
            problems.append(f"every_n_steps is {every_n_steps}, and must be at least 0")
        if grading_timeout_s < 0:
            problems.append(f"grading_timeout_s is {grading_timeout_s}, and must be at least 0")
        raise_all("--evaluation", problems)
        self.every_n_steps = every_n_steps
        self.at_start = at_start
        self.at_end = at_end
        self.plan = Plan(
            catalogue=catalogue,
            splits=tuple(splits),
            ks=tuple(ks),
            combinations=combinations,
            generations=generations,
            gradings=gradings,
            seed=seed,
            prompts=prompts,
            allow_incompatible=allow_incompatible,
            common_skills=common_skills,
        )
        # Drawn here, so that a plan that cannot be carried out fails before any weights are loaded.
        self.requests = self.plan.requests()
        self.contamination: list[ContaminationRow] = []
        self.grader: Grader = CheckerGrader(self.plan.load_catalogue()) if grader is None else grader
        self.generation = Generation(temperature, max_new_tokens, batch_size, seed, gather)
        self.wait_for_scores = wait_for_scores
        self.grading_timeout_s = grading_timeout_s
        self.money = Money(budget_usd, budget_tokens, prices, cache)
        self._spent = (0.0, 0)
        self._trained = False
        self._console = Console()
        self._scores = ScoresToCome(self.grader, gradings, self._console, Showing(self._console, shown_texts))

    @property
    def history(self) -> dict[int, list[Score]]:
        """Optimizer step to the scores of that evaluation, of those that have come."""
        return self._scores.history

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Draws again without the fit's data set, and asks the grader for one word; weights are loaded after this.

        Raises:
            InputError: too few other combinations are left, or the grader does not answer.
        """
        if stage != "fit" or not self.requests:
            return
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
        if self.at_end:
            self.evaluate(trainer, pl_module)
        self._scores.finish(trainer, self.grading_timeout_s)
        if trainer.is_global_zero and len(self.history) > 1:
            self._console.print(change_table(self.history))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Of a fit that was done when it was started: has graded what it had left ungraded."""
        if self._trained or not self.requests:
            return
        self._go_on(self._ranks.from_zero(self._left_ungraded))
        self._scores.finish(trainer, self.grading_timeout_s)

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
            self._scores.collect(trainer, self.grading_timeout_s)

    def state_dict(self) -> dict[str, Any]:
        """What was scored, what is open, and what was spent, so that a resumed fit goes on with it."""
        budget = getattr(getattr(self.grader, "services", None), "budget", None)
        spent = [budget.spent_usd, budget.spent_tokens] if budget else [0.0, 0]
        return {**self._scores.state_dict(), "spent": spent}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes it back."""
        self._scores.load_state_dict(state_dict)
        usd, tokens = state_dict["spent"]
        self._spent = (usd, tokens)

    def _hire(self, folder: Path, check: bool) -> None:
        open_services(self.grader, self.money, list(StepRuns(folder, {}).on_record().values()), *self._spent)
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
