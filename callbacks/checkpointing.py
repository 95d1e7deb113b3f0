"""When a fit is saved, which checkpoints stay, and what is found again after a kill."""

from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info

from skillmix_lightning.callbacks.evaluation_hooks import EvaluationHooks
from skillmix_lightning.callbacks.finding import fits_newest_first
from skillmix_lightning.callbacks.ranking import PREFIX, Ranking, best_on_record, find_scorer
from skillmix_lightning.errors import raise_all
from skillmix_lightning.training import SkillMixModule, checkpoints
from skillmix_lightning.training.checkpoints_random import RandomStates, capture, restore
from skillmix_lightning.training.folder_checkpoints import FolderCheckpoints, save_in_folders
from skillmix_lightning.training.signals import REQUEUE, StopSignals, requeue


class SkillMixCheckpoint(ModelCheckpoint):
    """Saves checkpoint folders (`training/checkpoints.py`) with any strategy; a resumed fit goes on bit for bit.

    Saves come every n optimizer steps, after the last one, and after the step during which SIGTERM or SIGUSR1 arrived;
    the fit ends there, and a SLURM job is requeued on SIGUSR1. `--ckpt_path last` then goes on from the newest whole
    checkpoint of a fit with the same settings, and begins anew where there is none, so that one command serves every
    start of a job. Training's random numbers do not depend on what validation and evaluation draw between the steps.

    By a SKILL-MIX score (`skillmix/<split>/k<k>/<metric>`) a checkpoint is ranked only by that of its own step: until
    it comes, in the background or at the end of the fit, the checkpoint is kept beside the best. Checkpoints of steps
    that are not evaluated serve as `last` only. One whose score never comes, or is of a part of its texts, is never
    best; it is kept while scored ones leave a place free. `ranking.json` beside the checkpoints says where each stands.

    Args:
        dirpath: where checkpoints go; None for `checkpoints/` in the log folder.
        filename: of a checkpoint, from `step` and logged metrics.
        monitor: a logged metric whose best values are kept, such as val/loss or skillmix/held_out/k3/full_marks; None
            keeps the newest.
        mode: whether the smallest (`min`) or largest (`max`) value of the metric is best.
        save_top_k: how many are kept; -1 for all, 0 for none but the last.
        save_last: whether `last` beside them always leads to the newest.
        save_weights_only: leave the optimizer's states out: a third of the size, and no fit can go on from it.
        every_n_train_steps: optimizer steps between saves; None saves after each validation.
        asynchronous: copy the tensors to CPU memory and write them while training goes on.

    Raises:
        InputError: a setting is out of range.
    """

    FILE_EXTENSION = ""

    def __init__(
        self,
        dirpath: str | None = None,
        filename: str = "{step:06d}",
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        save_top_k: int = 1,
        save_last: bool = True,
        save_weights_only: bool = False,
        every_n_train_steps: int | None = None,
        asynchronous: bool = False,
    ) -> None:
        problems = []
        if save_top_k < -1:
            problems.append(f"save_top_k is {save_top_k}, and must be at least -1")
        if every_n_train_steps is not None and every_n_train_steps < 1:
            problems.append(f"every_n_train_steps is {every_n_train_steps}, and must be at least 1, or null")
        if "/" in filename:
            problems.append(f"filename is {filename}, and a name with / would be a folder in a folder; leave it out")
        raise_all("--checkpoint", problems)
        if monitor is None and save_top_k > 1:
            monitor, mode = "step", "max"  # Lightning's way to say: the newest k
        super().__init__(
            dirpath=dirpath,
            filename=filename,
            monitor=monitor,
            mode=mode,
            save_top_k=save_top_k,
            save_last=save_last,
            save_weights_only=save_weights_only,
            every_n_train_steps=every_n_train_steps,
            enable_version_counter=False,
        )
        self.asynchronous = asynchronous
        self.signals = StopSignals()
        self._random: RandomStates | None = None
        self._strategy: FolderCheckpoints | None = None
        self._ranking = Ranking(monitor, save_top_k) if monitor and monitor.startswith(PREFIX) else None
        self._scorer: EvaluationHooks | None = None
        self._leaving: list[str] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Has the trainer's strategy keep checkpoints in folders, and clears what interrupted saves left.

        Raises:
            InputError: no checkpoint would ever be ranked by the metric.
        """
        super().setup(trainer, pl_module, stage)
        if self._ranking is not None and stage == "fit":
            self._scorer = find_scorer(trainer, self._ranking.monitor, self.mode, self._every_n_train_steps)
        self._strategy = save_in_folders(trainer.strategy, self.asynchronous)
        assert self.dirpath is not None, "Lightning has settled it"
        if stage == "fit" and trainer.is_global_zero and Path(self.dirpath).is_dir():
            checkpoints.recover(Path(self.dirpath))
        trainer.strategy.barrier("skillmix: leftovers of interrupted saves are gone")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the random states of the checkpoint, if any, and listens for signals."""
        super().on_train_start(trainer, pl_module)
        self._random = self._folders.random_states
        self.signals.listen()
        self._rank(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Goes on with the random numbers where the last step ended, whatever was drawn in between."""
        if self._random is not None:
            restore(self._random)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves when it is time to, and ends the fit if a signal asks for it."""
        self._random = self._folders.random_states = capture()
        self._rank(trainer)
        last = trainer.global_step == trainer.max_steps
        due = self._every_n_train_steps > 0 and trainer.global_step % self._every_n_train_steps == 0
        if (due or last) and not self._should_skip_saving_checkpoint(trainer):
            candidates = self._monitor_candidates(trainer)
            known = self._scorer is not None or self.monitor is None or self.monitor in candidates
            if not known and not last:
                self._defer_save_until_validation = True
            elif known:
                self._save(trainer, candidates)
            else:
                self._save_last_checkpoint(trainer, candidates)
        if stop := self.signals.agreed():
            self._save_and_end(trainer, stop)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves after a validation, where that is the time to, or where a save has waited for its metric."""
        self._rank(trainer)
        due = self._defer_save_until_validation or self._every_n_train_steps == 0
        if due and trainer.global_step and not self._should_skip_saving_checkpoint(trainer):
            self._defer_save_until_validation = False
            self._save(trainer, self._monitor_candidates(trainer))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: fits are counted in steps."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves what no save has caught yet, ranks what is scored by now, and waits for a background save."""
        if not self._should_skip_saving_checkpoint(trainer):
            candidates = self._monitor_candidates(trainer)
            if self._scorer is not None:
                self._save(trainer, candidates)
            elif self.save_last:
                self._save_last_checkpoint(trainer, candidates)
        self._rank(trainer)
        self._folders.finish_saving()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ranks what was scored of a fit that was done when it was started."""
        self._rank(trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Gives the signals back."""
        self.signals.release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Gives the signals back; a failed step is not worth saving."""
        self.signals.release()

    def state_dict(self) -> dict[str, Any]:
        """Which checkpoints are best, and which wait for their scores."""
        if self._ranking is None:
            return super().state_dict()
        return {**super().state_dict(), "ranking": self._ranking.state_dict(), "leaving": self._leaving}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes back which checkpoints are best, unless they are in a folder that this fit does not write to."""
        if state_dict["dirpath"] != self.dirpath:
            return
        super().load_state_dict(state_dict)
        if self._ranking is not None:
            self._ranking.load_state_dict(state_dict["ranking"])
            self._leaving = list(state_dict["leaving"])
            self._take_best(self._ranking)

    def find_best(self, trainer: Trainer, module: LightningModule, data: LightningDataModule | None) -> Path | None:
        """The best checkpoint of an earlier start of this fit, by `monitor`; None if there is none.

        Args:
            trainer: of this start.
            module: with this start's settings.
            data: likewise.
        """
        for path in fits_newest_first(self.dirpath, trainer, module, data):
            if self._ranking is not None and (ranked := best_on_record(path.parent, self._ranking.monitor)):
                return ranked.resolve()
            states: dict[str, Any] = checkpoints.load_plain(path / checkpoints.TRAINER).get("callbacks", {})
            best = Path(states.get(self.state_key, {}).get("best_model_path", ""))
            if checkpoints.is_whole(best):
                return best.resolve()
        return None

    @property
    def _folders(self) -> FolderCheckpoints:
        assert self._strategy is not None, "setup comes first"
        return self._strategy

    def _save_and_end(self, trainer: Trainer, stop: Any) -> None:
        if self._last_global_step_saved != trainer.global_step:
            candidates = self._monitor_candidates(trainer)
            if self._scorer is not None or self.monitor in (None, "step"):
                self._save(trainer, candidates)
            else:
                self._save_last_checkpoint(trainer, candidates)
        self._folders.finish_saving()
        rank_zero_info(f"{stop.name}: step {trainer.global_step} is saved; go on from it with --ckpt_path last")
        trainer.strategy.barrier("skillmix: saved before the first rank leaves")
        if stop == REQUEUE and trainer.is_global_zero:
            requeue()
        # Other ranks leave with 0: their launcher would kill rank 0 for anything else before it has requeued the job.
        raise SystemExit(128 + stop if trainer.is_global_zero else 0)

    def _save(self, trainer: Trainer, candidates: dict[str, torch.Tensor]) -> None:
        """Saves this step's checkpoint where its metric keeps or awaits it, and lets `last` lead to it."""
        if self._scorer is None or self._ranking is None:
            self._save_topk_checkpoint(trainer, candidates)
        elif self.save_top_k and self._scorer.evaluates(trainer.global_step):
            path = self.format_checkpoint_name(candidates)
            self._ranking.add(path, trainer.global_step)
            self._save_checkpoint(trainer, path)
        self._save_last_checkpoint(trainer, candidates)
        self._rank(trainer)

    def _rank(self, trainer: Trainer) -> None:
        """Ranks checkpoints whose scores have come, and removes those that are beaten."""
        if self._scorer is None or self._ranking is None or not self._ranking.unscored:
            return
        for path in self._ranking.settle(self._scorer.score_at, self._scorer.awaits):
            if self._last_leads_to(path):
                self._leaving.append(path)
            else:
                self._remove_checkpoint(trainer, path)
        self._take_best(self._ranking)
        if trainer.is_global_zero:
            assert self.dirpath is not None, "Lightning has settled it"
            self._ranking.write(Path(self.dirpath))

    def _take_best(self, ranking: Ranking) -> None:
        """Fills what Lightning's users read."""
        best_first = ranking.best_first()
        self.best_k_models = {path: torch.tensor(ranking.scored[path]) for path in best_first}
        self.best_model_path = best_first[0] if best_first else ""
        self.best_model_score = self.best_k_models.get(self.best_model_path)
        self.kth_best_model_path = best_first[-1] if best_first else ""
        self.current_score = self.best_k_models[next(reversed(ranking.scored))] if best_first else None

    def _last_leads_to(self, path: str) -> bool:
        return Path(self.last_model_path).is_symlink() and Path(self.last_model_path).resolve() == Path(path).resolve()

    def _save_last_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, torch.Tensor]) -> None:
        """Points `last` to this step's checkpoint; where the metric kept none, saves one there."""
        if self.save_last:
            self.save_last = "link" if self._last_global_step_saved == trainer.global_step else True
        super()._save_last_checkpoint(trainer, monitor_candidates)
        left = [path for path in self._leaving if not self._last_leads_to(path)]
        self._leaving = [path for path in self._leaving if path not in left]
        for path in left:
            self._remove_checkpoint(trainer, path)

    def _should_remove_checkpoint(self, trainer: Trainer, previous: str, current: str) -> bool:
        """Whether a checkpoint that another has taken the place of is this fit's own to remove.

        The one it was resumed from is: kept, a requeued fit of 13B weights would leave 160 GB behind at each start.
        """
        assert self.dirpath is not None, "Lightning has settled it"
        return previous != current and Path(self.dirpath).absolute() in Path(previous).absolute().parents

    def _find_last_checkpoints(self, trainer: Trainer) -> set[str]:
        """What `--ckpt_path last` chooses from: the newest whole checkpoint, if any."""
        module = trainer.lightning_module
        found = fits_newest_first(self.dirpath, trainer, module, getattr(trainer, "datamodule", None))
        if found and isinstance(module, SkillMixModule):
            module.resuming = True
        return {str(path) for path in found[:1]}
