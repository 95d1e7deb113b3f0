"""The data half of `fit`: reading data sets, chat encoding with loss masks, optimizer steps."""

from skillmix_lightning.data.datamodule import SkillMixDataModule
from skillmix_lightning.data.describe import describe_example
from skillmix_lightning.data.pretraining import PretrainingText

__all__ = ["PretrainingText", "SkillMixDataModule", "describe_example"]
