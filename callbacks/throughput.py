"""How fast a fit is, and what holds it up: tokens per second, MFU, memory, waiting for data."""

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from skillmix_lightning.callbacks.losses import is_log_step
from skillmix_lightning.data.batching import StepBatch
from skillmix_lightning.errors import InputError
from skillmix_lightning.training import SkillMixModule
from skillmix_lightning.training.flops import FlopCount, example_lengths, peak_tflops

_FETCH = "train_dataloader_next"
_GIB = 2**30


class ThroughputMonitor(Callback):
    """Logs speed, memory and waiting, over the steps since the last log and over all ranks.

    - `train/target_tokens_per_second`: tokens with a loss;
    - `train/mfu`: the share of the GPUs' bf16 peak that the model's own matrix products reach (`training.flops`);
    - `train/data_wait_share`: the share of time in which a device had nothing to do because its batch was not there;
    - `train/memory_allocated_gib`, `train/memory_reserved_gib`: the most so far, of rank 0's GPU.

    A step's time is taken on the device, between events, so that nothing ever waits for it. Time in validations,
    evaluations and saves does not count.

    Args:
        peak_tflops: of one device; by default that of the A100, H100, H200, L40S or RTX 4090 in dense bf16. There is no
            MFU for others unless it is given.

    Raises:
        InputError: the peak is not above 0.
    """

    def __init__(self, peak_tflops: float | None = None) -> None:
        if peak_tflops is not None and peak_tflops <= 0:
            raise InputError(f"ThroughputMonitor: peak_tflops is {peak_tflops}, and must be above 0, or null")
        self.peak_tflops = peak_tflops
        self._flops: FlopCount | None = None
        self._peak: float | None = None
        self._steps: list[_Step] = []
        self._last_end: Mark | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts the model's work, and has the trainer's profiler say how long batches take to come."""
        device = trainer.strategy.root_device
        named = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        self._peak = peak_tflops(named) if self.peak_tflops is None else self.peak_tflops
        if self._peak is not None and isinstance(pl_module, SkillMixModule) and pl_module.model is not None:
            try:
                self._flops = FlopCount.of(pl_module.model)
            except ValueError as error:
                rank_zero_warn(f"train/mfu is not logged: {error}")
        self._fetches = _FetchTimer(trainer.profiler)  # type: ignore[attr-defined]  # set by a connector
        trainer.profiler = self._fetches  # type: ignore[attr-defined]
        self._steps, self._last_end = [], None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The step begins."""
        self._began = Mark(trainer.strategy.root_device)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: StepBatch, batch_idx: int
    ) -> None:
        """The step is over, or on a GPU about to be."""
        ended = Mark(trainer.strategy.root_device)
        flops, targets = self._work(batch, outputs["example_targets"], trainer.strategy.root_device)
        self._steps.append(_Step(self._last_end, self._began, ended, self._fetches.take(), flops, targets))
        self._last_end = ended
        if is_log_step(trainer):
            self._log(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gives the trainer its own profiler back."""
        trainer.profiler = self._fetches.inner  # type: ignore[attr-defined]

    def _work(self, batch: StepBatch, target_counts: list[Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
        """FLOPs and targets of this rank's share of a step, on its device."""
        flops = torch.zeros((), dtype=torch.float64, device=device)
        targets = torch.zeros((), dtype=torch.float64, device=device)
        for micro_batch, counts in zip(batch["micro_batches"], target_counts, strict=True):
            targets += counts.sum()
            if self._flops is not None:
                lengths = example_lengths(micro_batch["examples"], len(counts))
                # Without targets are only the repeats that keep ranks in step.
                flops += self._flops.total(torch.where(counts > 0, lengths, 0), counts.sum())
        return flops, targets

    def _log(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done = [step for step in self._steps if step.ended.reached()]
        self._steps = self._steps[len(done) :]
        device = trainer.strategy.root_device
        sums = torch.zeros(4, dtype=torch.float64, device=device)
        for step in done:
            busy, waited = step.busy(), step.waited()
            sums[0] += step.flops
            sums[1] += step.targets
            sums[2] += busy + waited
            sums[3] += waited
        sums = trainer.strategy.reduce(sums, reduce_op="sum")
        flops, targets, seconds, waited_seconds = (value.clamp(min=1e-12) for value in sums)
        values = {
            "train/target_tokens_per_second": targets / seconds * trainer.world_size,
            "train/data_wait_share": waited_seconds / seconds,
        }
        if self._flops is not None and self._peak is not None:
            values["train/mfu"] = flops / (seconds * self._peak * 1e12)
        if device.type == "cuda":
            values["train/memory_allocated_gib"] = torch.tensor(torch.cuda.max_memory_allocated(device) / _GIB)
            values["train/memory_reserved_gib"] = torch.tensor(torch.cuda.max_memory_reserved(device) / _GIB)
        pl_module.log_dict({name: value.float() for name, value in values.items()})


class Mark:
    """A moment on a device's own time line: an event of a CUDA stream, or the clock."""

    def __init__(self, device: torch.device) -> None:
        self.event: Any = None
        self.clock = time.perf_counter()
        if device.type == "cuda":
            self.event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            self.event.record(torch.cuda.current_stream(device))

    def reached(self) -> bool:
        """Whether the device has come to it; does not wait."""
        return self.event is None or bool(self.event.query())

    def until(self, later: "Mark") -> float:
        """Seconds between two moments that have been reached."""
        if self.event is None or later.event is None:
            return later.clock - self.clock
        return float(self.event.elapsed_time(later.event)) / 1000


class _Step:
    """One optimizer step of this rank."""

    def __init__(
        self, before: Mark | None, began: Mark, ended: Mark, fetching: float, flops: Tensor, targets: Tensor
    ) -> None:
        self.before = before
        self.began = began
        self.ended = ended
        self.fetching = fetching
        self.flops = flops
        self.targets = targets

    def busy(self) -> float:
        return self.began.until(self.ended)

    def waited(self) -> float:
        """Seconds without work that the fetch explains; a fetch while the device still works costs nothing."""
        return self.fetching if self.before is None else min(self.fetching, self.before.until(self.began))


class _FetchTimer(Profiler):
    """Passes everything on to the trainer's profiler, and keeps how long the loop asked for batches."""

    def __init__(self, inner: Profiler) -> None:
        super().__init__()
        self.inner = inner
        self._asked: float | None = None
        self._seconds = 0.0

    def start(self, action_name: str) -> None:
        if action_name.endswith(_FETCH):
            self._asked = time.perf_counter()
        self.inner.start(action_name)

    def stop(self, action_name: str) -> None:
        self.inner.stop(action_name)
        if action_name.endswith(_FETCH) and self._asked is not None:
            self._seconds += time.perf_counter() - self._asked
            self._asked = None

    def take(self) -> float:
        """Seconds since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def summary(self) -> str:
        return self.inner.summary()

    def describe(self) -> None:
        self.inner.describe()

    def teardown(self, stage: str | None) -> None:
        self.inner.teardown(stage)
