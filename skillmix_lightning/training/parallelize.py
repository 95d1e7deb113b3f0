"""Makes a model fit its devices: recompute activations, compile blocks, shard parameters. The order matters.

Adapters come before this, weights after it (`training.loading`). Parameters keep the plain model's names throughout,
so that checkpoints do not depend on anything that is set here.
"""

from types import MethodType
from typing import Literal

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import (
    CPUOffloadPolicy,
    MixedPrecisionPolicy,
    OffloadPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from transformers import PreTrainedModel

from skillmix_lightning.errors import InputError
from skillmix_lightning.training.loss import training_forward

ActivationCheckpointing = Literal["none", "selective", "full"]

#: The method of a parallelized model that `SkillMixModule` trains through.
TRAINING_FORWARD = "training_forward"


def parallelize(
    model: PreTrainedModel,
    mesh: DeviceMesh | None,
    activation_checkpointing: ActivationCheckpointing = "none",
    compute_dtype: torch.dtype = torch.float32,
    cpu_offload: bool = False,
    compile: bool = False,
    reshard_after_forward: bool = True,
) -> None:
    """Applies what the settings ask for, in place.

    Args:
        model: with its adapters, if it has any; for a mesh, on the meta device.
        mesh: of the data-parallel ranks, one dimension; None leaves the parameters whole.
        activation_checkpointing: "none" keeps every activation for the backward pass. "full" keeps the input of each
            block and computes the rest again, a third more work. "selective" does so for every second block (the
            first, the third, …): half of the saving for half of the work.
        compute_dtype: of matrix products and activations, under a mesh. Parameters, gradients and their reduction stay
            fp32, as do buffers: rotary frequencies in bf16 would misplace far tokens.
        cpu_offload: keep parameters, gradients and optimizer states on the CPU between uses, under a mesh.
        compile: with torch.compile, block by block: blocks are alike, so that one is compiled for all.
        reshard_after_forward: free each block's gathered parameters until its backward pass gathers them again. False
            saves that traffic, for 2 bytes per parameter (in bf16) on every rank.

    Raises:
        InputError: the model cannot recompute activations, or has no blocks.
    """
    blocks = blocks_of(model)

    # 1. Recomputation, innermost: FSDP2's hooks must not run again when a block is computed again, and the compiler
    #    should see what will be.
    if activation_checkpointing != "none":
        _recompute(model, every=1 if activation_checkpointing == "full" else 2)

    # 2. Compilation, in place: a wrapper would show up in parameters' names.
    if compile:
        for block in blocks:
            block.compile()

    # 3. and 4. Shards: each block gathers its own parameters while the one before it computes, so blocks are groups of
    #    their own, and what is left (embeddings, norm, head) is the root's, last.
    if mesh is not None:
        low = compute_dtype if compute_dtype != torch.float32 else None
        reduced = torch.float32 if low else None
        offload = CPUOffloadPolicy() if cpu_offload and mesh.device_type != "cpu" else OffloadPolicy()
        for block in blocks:
            fully_shard(
                block,
                mesh=mesh,
                reshard_after_forward=reshard_after_forward,
                mp_policy=MixedPrecisionPolicy(param_dtype=low, reduce_dtype=reduced),
                offload_policy=offload,
            )
        # The root is given token ids and the weights of examples, which are not to be rounded.
        root_policy = MixedPrecisionPolicy(param_dtype=low, reduce_dtype=reduced, cast_forward_inputs=False)
        fully_shard(model, mesh=mesh, mp_policy=root_policy, offload_policy=offload)

    # 5. A way in for training: FSDP2 gathers the root's parameters for `forward` and for methods it is told of.
    setattr(model, TRAINING_FORWARD, MethodType(training_forward, model))
    register_fsdp_forward_method(model, TRAINING_FORWARD)


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The decoder's blocks: the list of modules that holds most of the parameters.

    Raises:
        InputError: the model has no list of modules.
    """
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module)]
    if not lists:
        raise InputError(f"{type(model).__name__}: has no list of blocks; give a decoder-only transformer")
    largest = max(lists, key=_size)
    return list(largest)


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _recompute(model: PreTrainedModel, every: int) -> None:
    try:
        model.activation_checkpointing_enable({"use_reentrant": False}, every_n_layers=every)
    except ValueError as error:
        raise InputError(f"--model.activation_checkpointing: {error} Set it to none") from None
    # Only reentrant recomputation needs the gradient of the embeddings' output.
    model.disable_input_require_grads()
