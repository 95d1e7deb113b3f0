import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from skillmix_lightning.callbacks import LossMonitor
from skillmix_lightning.callbacks.losses import means

#: Two steps: micro-batches of (source, k, summed loss, targets).
STEPS = [
    [[("skillmix", 1, 6.0, 3), ("skillmix", 2, 8.0, 2)], [("pretraining", None, 50.0, 10)]],
    [[("skillmix", 2, 1.0, 1)], [("skillmix", 1, 0.0, 0)]],
]


class Module(pl.LightningModule):
    """Gives back the losses that its batches name."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.layer = nn.Linear(1, 1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def training_step(self, batch, batch_idx):
        self.optimizers().step()
        losses, targets = batch["losses"], batch["targets"]
        return {"loss": torch.zeros(()), "example_losses": losses, "example_targets": targets}


def batch_of(step):
    return {
        "sources": [[(source, k) for source, k, _, _ in group] for group in step],
        "losses": [torch.tensor([loss for _, _, loss, _ in group]) for group in step],
        "targets": [torch.tensor([float(targets) for *_, targets in group]) for group in step],
    }


def logged(tmp_path, every):
    logger = CSVLogger(tmp_path, name="", version="")
    logged_rows = []
    logger.log_metrics = lambda values, step: logged_rows.append((step, values))
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=2,
        logger=logger,
        callbacks=[LossMonitor()],
        log_every_n_steps=every,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = torch.utils.data.DataLoader([batch_of(step) for step in STEPS], batch_size=None)
    trainer.fit(Module(), data)
    return [(step, values) for step, values in logged_rows if any(name.startswith("train/") for name in values)]


def test_losses_are_means_over_the_target_tokens_of_a_kind(tmp_path):
    first = {"train/loss_k1": 2.0, "train/loss_k2": 4.0, "train/loss_skillmix": 14 / 5, "train/loss_pretraining": 5.0}
    second = {"train/loss_k2": 1.0, "train/loss_skillmix": 1.0}  # an example without targets is no example
    assert logged(tmp_path, 1) == [(0, first), (1, second)]


def test_losses_between_two_logs_are_pooled(tmp_path):
    ((step, values),) = logged(tmp_path, 2)
    assert step == 1
    assert values == pytest.approx(
        {"train/loss_k1": 2.0, "train/loss_k2": 3.0, "train/loss_skillmix": 15 / 6, "train/loss_pretraining": 5.0}
    )


def test_ranks_are_pooled_by_their_targets_though_not_all_have_every_kind():
    parts = [{"k1": (6.0, 3.0), "skillmix": (6.0, 3.0)}, {"k1": (0.5, 1.0), "k3": (2.0, 1.0)}, {}]
    assert means(parts) == {"train/loss_k1": 6.5 / 4, "train/loss_k3": 2.0, "train/loss_skillmix": 2.0}
