"""Scores SKILL-MIX(k) while a model trains: at the start, every n optimizer steps, and at the end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from skillmix_lightning.callbacks.determinism import undisturbed
from skillmix_lightning.catalogue import ContaminationRow, Split, contamination
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.base import Grade, Grader
from skillmix_lightning.graders.checker import CheckerGrader
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.pipeline.trained import trained_combinations
from skillmix_lightning.report.contamination import contamination_table
from skillmix_lightning.report.progress import progress_bar
from skillmix_lightning.report.terminal import change_table, score_table
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import METRICS, CombinationScore, Score, score, score_combinations, write_scores
from skillmix_lightning.scoring.torchmetric import SkillMixMetric
from skillmix_lightning.students.base import Composition, Request
from skillmix_lightning.students.transformers import TransformersStudent
from skillmix_lightning.training import SkillMixModule

_T = TypeVar("_T")


class SkillMixEvaluation(Callback):
    """Has the model write held-out SKILL-MIX(k) samples during a fit, grades them, and logs the scores.

    The combinations are the same at every evaluation, so scores are paired over steps. None of them occurs in the
    fit's data set; which of their pairs, triples, … do is printed at the start. Each evaluation is a run of its own,
    `<log folder>/skillmix/step=<step>/`, with every text and every grade. TensorBoard gets
    `skillmix/<split>/k<k>/<metric>` and the first texts of each split and k. Training goes on bit for bit as if there
    had been no evaluation.

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
        batch_size: texts generated at a time.
        shown_texts: texts per split and k that go to TensorBoard.

    Raises:
        InputError: the plan cannot be carried out.
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
    ) -> None:
        if every_n_steps < 0:
            raise InputError(f"--evaluation.every_n_steps is {every_n_steps}, and must be at least 0")
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
        self.grader = CheckerGrader(self.plan.load_catalogue()) if grader is None else grader
        self.temperature = temperature
        self.max_new_tokens = max_new_tokens
        self.batch_size = batch_size
        self.shown_texts = shown_texts
        self.history: dict[int, list[Score]] = {}
        self.metrics = {(split, k): SkillMixMetric() for split in splits for k in ks}
        self._console = Console()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Draws again without the combinations of the fit's data set, so that what was trained is never asked for.

        Raises:
            InputError: too few other combinations are left.
        """
        data = getattr(trainer, "datamodule", None)
        if stage == "fit" and self.requests and isinstance(data, SkillMixDataModule):
            trained = set().union(*map(trained_combinations, data.paths))
            self.requests = self.plan.requests(exclude=trained)
            drawn = dict.fromkeys(request.combination for request in self.requests)
            self.contamination = contamination(list(drawn), trained)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates before the first step; a resumed fit has done so."""
        first = self._folder(trainer, 0)
        if trainer.global_step == 0 and first.exists():
            raise InputError(f"{first}: holds the evaluations of another fit; give this fit a log folder of its own")
        trainer.strategy.barrier("skillmix: every rank has looked before rank 0 writes")
        if trainer.is_global_zero and self.contamination:
            self._console.print(contamination_table(self.contamination))
        if self.at_start and trainer.global_step == 0:
            self.evaluate(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Evaluates every `every_n_steps` optimizer steps."""
        if self.every_n_steps and trainer.global_step % self.every_n_steps == 0:
            self.evaluate(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates after the last step and prints what changed since the first evaluation."""
        if self.at_end and trainer.global_step not in self.history:
            self.evaluate(trainer, pl_module)
        if trainer.is_global_zero and len(self.history) > 1:
            self._console.print(change_table(self.history))

    def evaluate(self, trainer: Trainer, pl_module: LightningModule) -> list[Score]:
        """One evaluation of the model as it stands; every rank writes and grades its share.

        Returns:
            The scores of each split and k, the same on every rank; none if the plan has no splits.
        """
        if not self.requests:
            return []
        step = trainer.global_step
        folder = self._folder(trainer, step)  # every rank must ask: the trainer broadcasts it
        mine = self._share(trainer.global_rank, trainer.world_size)
        self._console.quiet = not trainer.is_global_zero
        label = f"SKILL-MIX at step {step}"
        with undisturbed(pl_module), progress_bar(self._console, label, 2 * len(mine)) as advance:
            with trainer.precision_plugin.forward_context():
                compositions = list(counted(self._student(pl_module).write(mine), advance))
            grades = list(counted(self.grader.grade(compositions, self.plan.gradings), advance))
        self._log_metrics(trainer, step, score_combinations(compositions, grades))
        compositions, grades = gathered(compositions), gathered(grades)
        self.history[step] = score(compositions, grades)
        if trainer.is_global_zero:
            manifest = {
                **self.plan.manifest(),
                "step": step,
                "student": pl_module.model_name,
                "grader": self.grader.name,
                "contamination": [asdict(row) for row in self.contamination],
            }
            self._record(Run.start(folder, manifest), compositions, grades)
            self._log_texts(trainer, step, compositions)
            self._console.print(score_table(self.history[step], label))
        return self.history[step]

    def state_dict(self) -> dict[str, Any]:
        """The steps evaluated so far, so that a resumed fit compares with the same first evaluation."""
        return {"history": {step: [vars(row) for row in scores] for step, scores in self.history.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the history back."""
        self.history = {step: [Score(**row) for row in rows] for step, rows in state_dict["history"].items()}

    def _student(self, pl_module: LightningModule) -> TransformersStudent:
        assert isinstance(pl_module, SkillMixModule), "the evaluation needs the module's model, tokenizer and name"
        model, tokenizer = pl_module.model, pl_module.tokenizer
        assert model is not None, "configure_model has loaded it"
        assert tokenizer is not None, "configure_model has loaded it"
        return TransformersStudent(
            model,
            tokenizer,
            self.temperature,
            self.max_new_tokens,
            self.batch_size,
            seed=self.plan.seed,
            autocast=False,
            name=pl_module.model_name,
        )

    def _folder(self, trainer: Trainer, step: int) -> Path:
        return Path(trainer.log_dir or trainer.default_root_dir) / "skillmix" / f"step={step:06d}"

    def _record(self, run: Run, compositions: Sequence[Composition], grades: Sequence[Grade]) -> None:
        """Fills the run; a fit resumed from before this step finds it there, and adds nothing twice."""
        written = {(c.combination.id, c.generation) for c in run.compositions()}
        run.add_compositions([c for c in compositions if (c.combination.id, c.generation) not in written])
        run.add_grades([g for g in grades if (g.combination_id, g.generation) not in written])
        write_scores(run)

    def _share(self, rank: int, world_size: int) -> list[Request]:
        """This rank's requests: all generations of every `world_size`-th combination."""
        combinations = list(dict.fromkeys(request.combination.id for request in self.requests))
        mine = set(combinations[rank::world_size])
        return [request for request in self.requests if request.combination.id in mine]

    def _log_metrics(self, trainer: Trainer, step: int, rows: Sequence[CombinationScore]) -> None:
        logged: dict[str, float] = {}
        for (split, k), metric in self.metrics.items():
            metric.to(trainer.strategy.root_device)
            metric.update(row for row in rows if (row.split, row.k) == (split, k))
            means = metric.compute()  # adds up over the ranks
            metric.reset()
            logged |= {f"skillmix/{split}/k{k}/{name}": float(means[name]) for name in (*METRICS, "unscored")}
        for logger in trainer.loggers:
            logger.log_metrics(logged, step=step)

    def _log_texts(self, trainer: Trainer, step: int, compositions: Sequence[Composition]) -> None:
        boards = [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        order = {request.combination.id: place for place, request in enumerate(self.requests)}
        for split, k in self.metrics:
            cell = [c for c in compositions if (c.combination.split, c.combination.k) == (split, k)]
            cell.sort(key=lambda c: (order[c.combination.id], c.generation))
            shown = "\n\n".join(_markdown(composition) for composition in cell[: self.shown_texts])
            for board in boards:
                board.add_text(f"skillmix/{split}/k{k}/texts", shown, global_step=step)


def counted(items: Iterable[_T], advance: Callable[[int], object]) -> Iterator[_T]:
    """Passes the items on and counts them."""
    for item in items:
        yield item
        advance(1)


def gathered(items: list[_T]) -> list[_T]:
    """The items of all ranks, by rank; every rank must call it."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return items
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, items)
    return [item for part in parts for item in part]


def _markdown(composition: Composition) -> str:
    combination = composition.combination
    return f"**{', '.join(combination.skills)}** on *{combination.topic}*\n\n> {composition.text or '(empty)'}"
