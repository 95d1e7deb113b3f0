import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy

from skillmix_lightning.errors import InputError
from skillmix_lightning.training.folder_checkpoints import FolderCheckpoints, save_in_folders
from skillmix_lightning.training.strategy import ShardedStrategy


def trainer(precision: str) -> pl.Trainer:
    return pl.Trainer(accelerator="cpu", devices=2, strategy="fsdp2", precision=precision, logger=False)


def test_fsdp2_is_a_strategy_by_name_and_does_not_autocast():
    sharded = trainer("bf16-mixed")
    assert isinstance(sharded.strategy, ShardedStrategy)
    assert sharded.precision == "bf16-mixed"
    with sharded.precision_plugin.forward_context():
        assert not torch.is_autocast_enabled("cpu")
    assert trainer("32-true").precision == "32-true"


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_precisions_that_would_lose_updates_are_refused(precision):
    with pytest.raises(InputError, match=f"--trainer.precision {precision}: fsdp2 keeps fp32 weights"):
        trainer(precision)


def test_a_strategy_that_the_trainer_chose_keeps_its_kind():
    strategy = SingleDeviceStrategy("cpu")
    for asynchronous in (True, False):
        folders = save_in_folders(strategy, asynchronous)
        assert folders is strategy
        assert isinstance(strategy, SingleDeviceStrategy)
        assert isinstance(strategy, FolderCheckpoints)
        assert folders.asynchronous is asynchronous
    assert type(strategy).__mro__.count(FolderCheckpoints) == 1
