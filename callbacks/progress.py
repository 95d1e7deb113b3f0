"""The progress bar of a fit that is counted in optimizer steps."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from rich.progress import TaskID

from skillmix_lightning.callbacks.background import UnderWay
from skillmix_lightning.callbacks.evaluation_hooks import EvaluationHooks


class StepProgressBar(RichProgressBar):
    """Lightning's RichProgressBar, labelled by what it counts: a fit here has steps, not epochs.

    While texts are graded beside the fit, a line of its own says of which step, and how far it is.
    """

    _grading_bar_id: TaskID | None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Asks the fit's evaluations to tell how far grading is."""
        super().setup(trainer, pl_module, stage)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by a connector
            if isinstance(callback, EvaluationHooks) and stage == "fit":
                callback.watch_grading(self._show_grading)

    def _show_grading(self, under_way: UnderWay | None) -> None:
        """Shows how far grading is; called in the thread that grades."""
        if self.progress is None or self._progress_stopped:
            return
        if under_way is None:
            if self._grading_bar_id is not None:
                self.progress.update(self._grading_bar_id, visible=False)
            return
        said = f"grading step {under_way.step}"
        if self._grading_bar_id is None:
            self._grading_bar_id = self._add_task(under_way.asked, said)
        self.progress.update(
            self._grading_bar_id,
            description=said,
            total=under_way.asked,
            completed=under_way.graded,
            visible=True,
        )

    def _reset_progress_bar_ids(self) -> None:
        super()._reset_progress_bar_ids()
        self._grading_bar_id = None

    def _get_train_description(self, current_epoch: int) -> str:
        return "optimizer steps"

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The logged metrics without the logger's version number."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
