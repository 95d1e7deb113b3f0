"""The strategy `fsdp2`: everything sharded over all ranks, and its state kept in checkpoint folders."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import torch
from lightning.fabric.utilities.device_dtype_mixin import _update_properties
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.strategies import ModelParallelStrategy, StrategyRegistry

from skillmix_lightning.errors import InputError
from skillmix_lightning.training.folder_checkpoints import FolderCheckpoints

_TIMEOUT = timedelta(minutes=30)


class ShardedStrategy(FolderCheckpoints, ModelParallelStrategy):
    """`--trainer.strategy fsdp2`: parameters, gradients and optimizer states sharded over all ranks of all nodes.

    The sharding itself is `training/parallelize.py`'s. Master weights and gradients are fp32; under `bf16-mixed` FSDP2
    casts what it gathers, so nothing is autocast.

    Args:
        process_group_backend: None for gloo on CPU, and nccl with gloo beside it (for offloaded tensors) on GPUs.
        timeout: after which a collective that some rank never joined ends the fit.

    Raises:
        InputError: the precision is one that loses updates, or needs a gradient scaler.
    """

    def __init__(self, process_group_backend: str | None = None, timeout: timedelta = _TIMEOUT) -> None:
        super().__init__(
            data_parallel_size=1, tensor_parallel_size=1, process_group_backend=process_group_backend, timeout=timeout
        )

    def setup_environment(self) -> None:
        """Starts the process group; all ranks are data-parallel."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    @property
    def precision_plugin(self) -> Precision:
        """What the trainer's precision stands for here."""
        return super().precision_plugin

    @precision_plugin.setter
    def precision_plugin(self, precision_plugin: Precision | None) -> None:
        chosen = "32-true" if precision_plugin is None else str(precision_plugin.precision)
        if chosen not in ("32-true", "bf16-mixed"):
            raise InputError(f"--trainer.precision {chosen}: fsdp2 keeps fp32 weights; give 32-true or bf16-mixed")
        self._precision_plugin = _CastByFSDP() if chosen == "bf16-mixed" else precision_plugin

    def model_to_device(self) -> None:
        """Moves what is not there yet; under CPU offload the sharded weights stay on the CPU."""
        module = self._module
        if not getattr(module, "cpu_offload", False):
            super().model_to_device()
            return
        model = module.model
        assert isinstance(model, torch.nn.Module), "configure_model has made it"
        for owner in model.modules():
            for name, buffer in owner.named_buffers(recurse=False):
                owner._buffers[name] = buffer.to(self.root_device)
        for name, child in module.named_children():
            if name != "model":
                child.to(self.root_device)
        _update_properties(module, device=self.root_device)

    def _get_process_group_backend(self) -> str:
        mixed = "cpu:gloo,cuda:nccl" if self.root_device.type == "cuda" else "gloo"
        return self._process_group_backend or mixed


class _CastByFSDP(MixedPrecision):
    """bf16-mixed without autocast: FSDP2's MixedPrecisionPolicy has cast the weights and inputs already."""

    def __init__(self) -> None:
        super().__init__("bf16-mixed", "cpu")

    def forward_context(self) -> Any:
        """No context."""
        return nullcontext()


StrategyRegistry.register(
    "fsdp2", ShardedStrategy, description="Weights, gradients and optimizer states sharded over all ranks (FSDP2)"
)
