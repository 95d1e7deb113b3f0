"""Any of Lightning's strategies, made to keep a fit's state in checkpoint folders (`checkpoints.py`).

Saving and loading work on the module and the optimizers in place, on every rank, by parameter names. So a checkpoint
can be resumed on another number of ranks or with another strategy, and no rank ever holds more than its share.
"""

import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.trainer.states import TrainerFn
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import async_save, save
from torch.optim import Optimizer

from skillmix_lightning.errors import InputError
from skillmix_lightning.training import checkpoints
from skillmix_lightning.training.checkpoints_model import save_model_files
from skillmix_lightning.training.checkpoints_random import RandomStates, capture, read_random, write_random
from skillmix_lightning.training.checkpoints_tensors import (
    ShardReader,
    load_optimizer,
    load_weights,
    optimizer_parts,
    reshard,
    weight_tensors,
)


class FolderCheckpoints(Strategy):
    """Makes a Lightning strategy save and load checkpoint folders (`checkpoints.py`); put it before the strategy.

    Attributes:
        asynchronous: whether a save goes on in the background once the tensors are copied to CPU memory.
        random_states: what a save records as this rank's random states, and a load brings back; None for those of the
            moment. `SkillMixCheckpoint` sets and restores them.
    """

    asynchronous: bool = False
    random_states: RandomStates | None = None
    _saving: "Future[None] | None" = None
    _to_remove: tuple[Path, ...] = ()
    _group: Any = None
    _reader: ShardReader | None = None
    _loaded_from: Path = Path()

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Has the trainer call `load_optimizer_state_dict`."""
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Nothing: `save_checkpoint` takes the weights from the module."""
        return {}

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Nothing: `save_checkpoint` takes the state from the optimizer."""
        return {}

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None
    ) -> None:
        """Saves the fit; every rank must call it.

        Args:
            checkpoint: what the trainer's parts have to keep, in plain values.
            filepath: the folder.
            storage_options: must be None.
        """
        assert storage_options is None, "folders have no storage options"
        self.finish_saving()
        module = self._module
        path = Path(self.broadcast(str(filepath)))
        reshard(module)
        tensors = weight_tensors(module)
        rest = {key: value for key, value in checkpoint.items() if key not in ("state_dict", "optimizer_states")}
        if "optimizer_states" in checkpoint:
            rest["optimizers"] = []
            for number, optimizer in enumerate(self.optimizers):
                of_optimizer, values = optimizer_parts(module, optimizer, number)
                tensors |= of_optimizer
                rest["optimizers"].append(values)
        folder = checkpoints.unfinished(path)
        # Every rank must ask for the log folder: the trainer broadcasts it.
        config = Path(module.trainer.log_dir or module.trainer.default_root_dir) / checkpoints.CONFIG
        if self.is_global_zero:
            checkpoints.start(path)
            checkpoints.save_plain(rest, folder / checkpoints.TRAINER)
            save_model_files(module, folder / checkpoints.MODEL)
            if config.is_file():
                shutil.copyfile(config, folder / checkpoints.CONFIG)
        self.barrier("skillmix: rank 0 has made the folder")
        write_random(folder, module.trainer.global_rank, self.random_states or capture())
        self.barrier("skillmix: every rank's random states are written")

        step, ranks = module.trainer.global_step, module.trainer.world_size
        writer = FileSystemWriter(folder / checkpoints.TENSORS)  # syncs its files to the disk
        how: dict[str, Any] = {"storage_writer": writer, "process_group": self._checkpoint_group()}
        if self.asynchronous:
            written = async_save(tensors, **how)
            assert isinstance(written, Future), "the stager copies before it returns"
            background = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
            self._saving = background.submit(self._complete, written, path, step, ranks)
            background.shutdown(wait=False)
        else:
            save(tensors, **how)
            self._complete(None, path, step, ranks)
        self.barrier("skillmix: the checkpoint is written, or copied")

    def finish_saving(self) -> None:
        """Waits until a background save is on the disk; every rank must call it.

        Raises:
            Exception: what the save failed with.
        """
        if self._saving is not None:
            saving, self._saving = self._saving, None
            saving.result()
            self.barrier("skillmix: the background save is complete")
        to_remove, self._to_remove = self._to_remove, ()
        for path in to_remove:
            checkpoints.remove(path)

    def remove_checkpoint(self, filepath: str | Path) -> None:
        """Removes a checkpoint; not before the one that is being saved in its place is whole."""
        if not self.is_global_zero:
            return
        if self._saving is None:
            checkpoints.remove(Path(filepath))
        else:
            self._to_remove += (Path(filepath),)

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        """Opens a checkpoint; weights and optimizer states follow when the trainer asks for them.

        Args:
            checkpoint_path: the folder.
            weights_only: any; no code is ever loaded.

        Returns:
            What the trainer's parts have kept.

        Raises:
            InputError: the folder is no whole checkpoint, or cannot be resumed from.
        """
        path = Path(self.broadcast(str(checkpoint_path))).resolve()
        mark = checkpoints.read_mark(path)
        trainer = self._module.trainer
        checkpoint: dict[str, Any] = checkpoints.load_plain(path / checkpoints.TRAINER)
        if trainer.state.fn == TrainerFn.FITTING:
            if "optimizers" not in checkpoint:
                raise InputError(
                    f"{path}: holds weights only, so no fit can go on from it; export it and give the exported "
                    "folder as --model.model, or save with --checkpoint.save_weights_only false"
                )
            self.random_states = read_random(path, trainer.global_rank, trainer.world_size, mark.world_size, mark.step)
        self._loaded_from = path
        self._reader = ShardReader(path)
        return {**checkpoint, "state_dict": {}, "optimizer_states": checkpoint.get("optimizers")}

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Fills the module's weights.

        Raises:
            InputError: the checkpoint is another model's.
        """
        assert self._reader is not None, "load_checkpoint comes first"
        reshard(self._module)
        load_weights(self._module, self._reader, self._loaded_from)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Fills the optimizers' states.

        Raises:
            InputError: an optimizer is of another kind, or has other parameter groups.
        """
        assert self._reader is not None, "load_checkpoint comes first"
        for number, optimizer in enumerate(self.optimizers):
            saved = checkpoint["optimizer_states"][number]
            load_optimizer(self._module, optimizer, number, saved, self._reader, self._loaded_from)
        self._reader = None

    def teardown(self) -> None:
        """Ends a background save first."""
        self.finish_saving()
        super().teardown()

    @property
    def _module(self) -> LightningModule:
        module = self.lightning_module
        assert isinstance(module, LightningModule), "the trainer has connected it"
        return module

    def _complete(self, written: "Future[Any] | None", path: Path, step: int, ranks: int) -> None:
        if written is not None:
            written.result()
        if self.is_global_zero:  # DCP has returned here only after every rank wrote and synced its shards
            checkpoints.complete(path, step, ranks, getattr(self._module, "model_name", ""))

    def _checkpoint_group(self) -> Any:
        """The ranks, in a group of its own on the CPU: a background save must not mix with training's collectives."""
        if self._group is None and torch.distributed.is_available() and torch.distributed.is_initialized():
            self._group = torch.distributed.new_group(backend="gloo")
        return self._group


def save_in_folders(strategy: Strategy, asynchronous: bool) -> FolderCheckpoints:
    """Makes the strategy that a trainer has chosen save and load checkpoint folders.

    Its class is changed in place: with `auto` the trainer makes the strategy itself, where no other could be given.

    Args:
        strategy: the trainer's.
        asynchronous: whether saves go on in the background.
    """
    if not isinstance(strategy, FolderCheckpoints):
        kind = type(strategy)
        strategy.__class__ = type(kind.__name__, (FolderCheckpoints, kind), {"__doc__": kind.__doc__})
    assert isinstance(strategy, FolderCheckpoints)
    strategy.asynchronous = asynchronous
    return strategy
