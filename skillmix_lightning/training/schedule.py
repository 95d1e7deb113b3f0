"""The learning rate over a fit: a linear warm-up, then constant, as in the paper, or falling to zero."""

from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

Schedule = Literal["constant", "linear", "cosine"]


def make_schedule(optimizer: Optimizer, schedule: Schedule, warmup_steps: int, max_steps: int) -> LRScheduler | None:
    """The schedule, stepped once after each optimizer step; None if the rate never changes.

    Step 1 of n warm-up steps runs at 1/n of the rate, step n at all of it. "linear" and "cosine" fall from there, and
    would be zero one step after the fit.

    Args:
        optimizer: holds the rate after the warm-up.
        schedule: what follows the warm-up.
        warmup_steps: 0 or 1 for none.
        max_steps: optimizer steps of the whole fit.
    """
    parts: list[LRScheduler] = []
    if warmup_steps > 1:
        parts.append(LinearLR(optimizer, start_factor=1 / warmup_steps, total_iters=warmup_steps - 1))
    peak = max(0, warmup_steps - 1)
    falling = max(1, max_steps - peak)
    if schedule == "linear":
        parts.append(LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=falling))
    elif schedule == "cosine":
        parts.append(CosineAnnealingLR(optimizer, T_max=falling))
    if len(parts) < 2:
        return parts[0] if parts else None
    return SequentialLR(optimizer, parts, milestones=[peak])
