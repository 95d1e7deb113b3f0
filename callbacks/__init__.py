"""What happens while a fit runs; imported as `skillmix_lightning.callbacks`."""

from skillmix_lightning.callbacks.checkpointing import SkillMixCheckpoint
from skillmix_lightning.callbacks.evaluation import SkillMixEvaluation
from skillmix_lightning.callbacks.example import ShowExample
from skillmix_lightning.callbacks.losses import LossMonitor
from skillmix_lightning.callbacks.manifest import FitManifest
from skillmix_lightning.callbacks.progress import StepProgressBar
from skillmix_lightning.callbacks.throughput import ThroughputMonitor

__all__ = [
    "FitManifest",
    "LossMonitor",
    "ShowExample",
    "SkillMixCheckpoint",
    "SkillMixEvaluation",
    "StepProgressBar",
    "ThroughputMonitor",
]
