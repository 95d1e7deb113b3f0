"""Records on disk: what was asked, written and graded."""

from skillmix_lightning.runs.run import Run

__all__ = ["Run"]
