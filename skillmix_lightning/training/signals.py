"""Signals that end a fit in good order: noted when they come, acted on by all ranks after the running step.

Saving inside a signal handler, as Lightning does for SLURM, meets half-finished steps and collectives.
"""

import os
import re
import signal
import subprocess
from types import FrameType
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

#: SIGTERM ends the fit; SIGUSR1 requeues its job as well: SLURM sends it before the time limit (`--signal=USR1@120`).
REQUEUE = signal.SIGUSR1
END = signal.SIGTERM


class StopSignals:
    """Listens for the signals while a fit runs."""

    def __init__(self) -> None:
        self._received = 0
        self._before: dict[signal.Signals, Any] = {}
        self._group: Any = None

    def listen(self) -> None:
        """Takes the signals over from whoever handled them, Lightning included; every rank must call it."""
        self._received = 0
        self._before = {number: signal.signal(number, self._note) for number in (REQUEUE, END)}
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            # On the CPU: asking an accelerator would make it finish its work at every step.
            self._group = torch.distributed.new_group(backend="gloo")

    def release(self) -> None:
        """Gives the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        self._group = None

    def agreed(self) -> signal.Signals | None:
        """The signal that any rank has received; the same on all, so every rank must call it (0.1 ms)."""
        received = torch.tensor(self._received)
        if self._group is not None:
            torch.distributed.all_reduce(received, torch.distributed.ReduceOp.MAX, group=self._group)
        return signal.Signals(int(received)) if received else None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = max(self._received, number)  # SIGTERM, which SLURM sends last, over SIGUSR1


def requeue() -> bool:
    """Has SLURM put this job back into its queue; for rank 0.

    Returns:
        Whether it did; False outside of SLURM.
    """
    job = os.environ.get("SLURM_JOB_ID", "")
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    if not re.fullmatch(r"[0-9_]+", job):
        rank_zero_info("no SLURM job to requeue: the fit ends")
        return False
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
    except OSError as error:
        rank_zero_warn(f"scontrol requeue {job} failed: {error}; requeue it yourself")
        return False
    if done.returncode:
        rank_zero_warn(f"scontrol requeue {job} failed: {done.stderr.strip()}; requeue it yourself")
    return done.returncode == 0
