"""What happens while a fit runs; imported as `skillmix_lightning.callbacks`."""

from skillmix_lightning.callbacks.evaluation import SkillMixEvaluation
from skillmix_lightning.callbacks.progress import StepProgressBar

__all__ = ["SkillMixEvaluation", "StepProgressBar"]
