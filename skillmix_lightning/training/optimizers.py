"""Adam in its variants: torch's fused ones, and bitsandbytes' with 8-bit states, paged to the CPU or not.

Bytes of optimizer state per trained parameter: 8 in fp32, about 2 in 8 bits (arXiv 2110.02861).
"""

from collections.abc import Iterator
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from skillmix_lightning.errors import InputError, raise_all

OptimizerName = Literal["adam", "adamw", "adam8bit", "adamw8bit", "paged_adam8bit", "paged_adamw8bit"]


def make_optimizer(
    module: nn.Module, name: OptimizerName, learning_rate: float, betas: tuple[float, float], weight_decay: float
) -> Optimizer:
    """The optimizer of a module's trained parameters.

    Norms, biases and embeddings are not decayed: decay is there to bound the matrices that multiply activations. An
    output head that shares the embedding's weights counts as embedding.

    8-bit states need plain tensors: bitsandbytes' kernels know no shards. Paged states live in memory that CUDA moves
    between the GPU and the CPU. Embeddings keep 32-bit states there, since few of their rows have gradients at a time
    and 8 bits make them unstable (arXiv 2110.02861, section 2.3).

    Args:
        module: holds the parameters; frozen ones are left out.
        name: "adam" adds the decay to the gradient (L2), "adamw" shrinks the weights apart from it.
        learning_rate: after the warm-up.
        betas: decay rates of the two moments.
        weight_decay: of the parameters that are decayed.

    Raises:
        InputError: the name is unknown, or 8-bit or paged states cannot work here.
    """
    groups = _groups(module, weight_decay)
    if name == "adam":
        return torch.optim.Adam(groups, lr=learning_rate, betas=betas, fused=_has_fused(groups))
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=_has_fused(groups))
    if name not in get_args(OptimizerName):
        raise InputError(f"--model.optimizer {name}: unknown; give one of {', '.join(get_args(OptimizerName))}")
    _check_8bit(name, weight_decay, [parameter for group in groups for parameter in group["params"]])
    for group in groups:
        group["optim_bits"] = 32 if group["embeddings"] else 8
    optimizer: Optimizer = _adam_8bit()(
        "adam",  # the one kernel there is; its decay is decoupled
        groups,
        lr=learning_rate,
        betas=betas,
        optim_bits=8,
        is_paged=name.startswith("paged_"),
    )
    return optimizer


def _adam_8bit() -> Any:
    # bitsandbytes takes a second to import, so only the fits that use it pay for that.
    from bitsandbytes.optim.optimizer import Optimizer2State

    class Adam8bit(Optimizer2State):
        """Adam with the state's bits set per parameter group; bitsandbytes' own way to do so is a global variable."""

        def get_config(self, gindex: int, pindex: int, group: dict[str, Any]) -> dict[str, Any]:
            config: dict[str, Any] = super().get_config(gindex, pindex, group)  # type: ignore[no-untyped-call]
            return config | {"optim_bits": group["optim_bits"]}

    return Adam8bit


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Up to three groups: decayed, embeddings, other parameters without decay."""
    decayed, embeddings, others = [], [], []
    for parameter, kind in _trained(module):
        if kind == "embedding":
            embeddings.append(parameter)
        elif kind == "matrix":
            decayed.append(parameter)
        else:
            others.append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay, "embeddings": False},
        {"params": embeddings, "weight_decay": 0.0, "embeddings": True},
        {"params": others, "weight_decay": 0.0, "embeddings": False},
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise InputError("--model: the model has no trained parameter")
    return groups


def _trained(module: nn.Module) -> Iterator[tuple[nn.Parameter, Literal["embedding", "matrix", "other"]]]:
    """Every trained parameter once, with what it is."""
    embedded = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    for parameter in module.parameters():
        if parameter.requires_grad:
            if id(parameter) in embedded:
                yield parameter, "embedding"
            else:
                yield parameter, "matrix" if parameter.ndim >= 2 else "other"


def _has_fused(groups: list[dict[str, Any]]) -> bool:
    """Whether torch has a fused step for these devices: CPU and CUDA do, others fall back to its default."""
    return {parameter.device.type for group in groups for parameter in group["params"]} <= {"cpu", "cuda"}


def _check_8bit(name: str, weight_decay: float, parameters: list[nn.Parameter]) -> None:
    problems = []
    plain = name.removeprefix("paged_").removesuffix("8bit")
    if plain == "adam" and weight_decay:
        problems.append(f"bitsandbytes knows only AdamW's decay; use {name.replace('adam', 'adamw')}")
    if any(isinstance(parameter, DTensor) for parameter in parameters):
        problems.append(f"8-bit states cannot be sharded; use {plain}, whose states are, or another strategy")
    if name.startswith("paged_") and any(parameter.device.type != "cuda" for parameter in parameters):
        problems.append(f"paged states need a CUDA device; use {name.removeprefix('paged_')}")
    raise_all(f"--model.optimizer {name}", problems)
