"""The training loss apart: by the number of skills of a text, and by where the text comes from."""

from collections import defaultdict
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from skillmix_lightning.data.batching import StepBatch


class LossMonitor(Callback):
    """Logs `train/loss_k<k>` and `train/loss_<source>`.

    Each is the mean over the target tokens of those texts in the steps since the last log, over all ranks, without the
    texts' weights. Losses stay on their device until then; ranks talk to each other once per log.
    """

    def __init__(self) -> None:
        self._groups: list[list[tuple[str, int | None]]] = []
        self._losses: list[Tensor] = []
        self._targets: list[Tensor] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forgets the steps of an earlier fit."""
        self._clear()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: StepBatch, batch_idx: int
    ) -> None:
        """Keeps the losses of a step's examples, and logs every `log_every_n_steps`."""
        self._groups += batch["sources"]
        self._losses += outputs["example_losses"]
        self._targets += outputs["example_targets"]
        if is_log_step(trainer):
            values = means(self._sums())
            self._clear()
            for logger in trainer.loggers:
                logger.log_metrics(values, step=trainer.global_step - 1)  # where Lightning puts this step's train/loss

    def _sums(self) -> list[dict[str, tuple[float, float]]]:
        """Of every rank: by tag, the sum of its losses and its number of targets."""
        sums: defaultdict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        if self._losses:  # one transfer, at a time when Lightning reads the loss as well
            both = torch.stack([torch.cat(self._losses).double(), torch.cat(self._targets).double()]).tolist()
            examples = [example for group in self._groups for example in group]
            for (source, k), loss, targets in zip(examples, *both, strict=True):
                for tag in (source, None if k is None else f"k{k}"):
                    if tag is not None and targets:
                        sums[tag] = (sums[tag][0] + loss, sums[tag][1] + targets)
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return [dict(sums)]
        parts: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(parts, dict(sums))
        return parts

    def _clear(self) -> None:
        self._groups, self._losses, self._targets = [], [], []


def is_log_step(trainer: Trainer) -> bool:
    """Whether the step that has just ended is one that the trainer logs."""
    every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by a connector
    return every > 0 and trainer.global_step % every == 0


def means(parts: list[dict[str, tuple[float, float]]]) -> dict[str, float]:
    """`train/loss_<tag>`: the sums of all losses over the number of all targets."""
    return {
        f"train/loss_{tag}": sum(part[tag][0] for part in parts if tag in part)
        / sum(part[tag][1] for part in parts if tag in part)
        for tag in sorted({tag for part in parts for tag in part})
    }
