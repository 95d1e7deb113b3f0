import math
from itertools import pairwise

import pytest
import torch

from skillmix_lightning.training.schedule import make_schedule


def rates(schedule, warmup_steps, max_steps=20):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make_schedule(optimizer, schedule, warmup_steps, max_steps)
    seen = []
    for _ in range(max_steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return seen


def test_constant_is_constant_after_the_warm_up():
    assert rates("constant", 4) == pytest.approx([0.25, 0.5, 0.75] + [1.0] * 17)
    assert rates("constant", 0) == rates("constant", 1) == [1.0] * 20


@pytest.mark.parametrize("warmup_steps", [0, 1, 4])
def test_linear_falls_by_equal_amounts_and_would_be_zero_one_step_after_the_fit(warmup_steps):
    falling = rates("linear", warmup_steps)[max(0, warmup_steps - 1) :]
    assert falling[0] == pytest.approx(1.0)
    steps = [a - b for a, b in pairwise(falling)]
    assert steps == pytest.approx([steps[0]] * len(steps))
    assert falling[-1] == pytest.approx(steps[0], abs=1e-9)


def test_cosine_follows_half_a_cosine():
    falling = rates("cosine", 0)
    assert falling == pytest.approx([(1 + math.cos(math.pi * t / 20)) / 2 for t in range(20)])
