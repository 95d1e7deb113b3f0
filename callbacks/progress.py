"""The progress bar of a fit that is counted in optimizer steps."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar


class StepProgressBar(RichProgressBar):
    """Lightning's RichProgressBar, labelled by what it counts: a fit here has steps, not epochs."""

    def _get_train_description(self, current_epoch: int) -> str:
        return "optimizer steps"

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The logged metrics without the logger's version number."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
