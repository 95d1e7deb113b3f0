"""The scores as a torchmetrics metric, which adds up across ranks."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torchmetrics import Metric

from skillmix_lightning.scoring.metrics import METRICS
from skillmix_lightning.scoring.texts import CombinationScore


class SkillMixMetric(Metric):
    """Mean full marks, all skills and skill fraction over the combinations of one split and k.

    Each rank updates it with the combinations it wrote; `compute` gives the mean over those of all ranks.
    """

    full_state_update = False
    total: Tensor
    scored: Tensor
    unscored: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(len(METRICS), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("scored", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("unscored", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, rows: Iterable[CombinationScore]) -> None:
        """Adds combinations; those without a score are only counted."""
        for row in rows:
            if row.score is None:
                self.unscored += 1
            else:
                values = [getattr(row.score, metric) for metric in METRICS]
                self.total += torch.tensor(values, dtype=torch.float64, device=self.total.device)
                self.scored += 1

    def compute(self) -> dict[str, Tensor]:
        """Metric name to its mean (float64 scalar, NaN without a scored combination), and "unscored" (int64)."""
        means = self.total / self.scored
        return {**dict(zip(METRICS, means, strict=True)), "unscored": self.unscored}
