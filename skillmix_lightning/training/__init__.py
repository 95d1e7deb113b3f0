"""The model half of `fit`: loss, optimizer, and the LightningModule around any causal language model."""

from skillmix_lightning.training.module import SkillMixModule
from skillmix_lightning.training.strategy import ShardedStrategy

__all__ = ["ShardedStrategy", "SkillMixModule"]
