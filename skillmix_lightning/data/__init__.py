"""The data half of `fit`: reading data sets, chat encoding with loss masks, optimizer steps."""

from skillmix_lightning.data.datamodule import SkillMixDataModule

__all__ = ["SkillMixDataModule"]
