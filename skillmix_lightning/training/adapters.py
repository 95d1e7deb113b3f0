"""LoRA (arXiv 2106.09685): two small trained matrices beside every linear layer, whose own weights stay as they are.

On weights in NF4 this is QLoRA (arXiv 2305.14314), which fits 7B and 13B models onto one GPU. The adapters are put into
the model in place, so it stays the class that transformers made, with its blocks, its head and its `generate`.
"""

import math
import zlib
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from skillmix_lightning.errors import InputError, raise_all

Quantization = Literal["nf4"]

_ADAPTER = "default"
_BASE = "base_layer."


@dataclass(frozen=True)
class LoraSettings:
    """What adapters look like.

    Attributes:
        rank: of the product of the two matrices.
        alpha: the product is scaled by alpha / rank.
        dropout: of the adapters' inputs.
        target_modules: "all-linear" (every linear layer but the output head, as QLoRA found to be needed), or the last
            parts of layers' names, such as q_proj and v_proj.

    Raises:
        InputError: a value is out of range.
    """

    rank: int = 16
    alpha: float = 32
    dropout: float = 0.0
    target_modules: str | tuple[str, ...] = "all-linear"

    def __post_init__(self) -> None:
        problems = []
        if self.rank < 1:
            problems.append(f"rank is {self.rank}, and must be at least 1")
        if self.alpha <= 0:
            problems.append(f"alpha is {self.alpha}, and must be above 0")
        if not 0 <= self.dropout < 1:
            problems.append(f"dropout is {self.dropout}, and must be at least 0 and below 1")
        if not self.target_modules:
            problems.append("target_modules is empty; name layers, or give all-linear")
        raise_all("--model.lora", problems)

    @property
    def scaling(self) -> float:
        """What the product of the two matrices is multiplied by."""
        return self.alpha / self.rank


def add_lora(model: PreTrainedModel, settings: LoraSettings) -> PreTrainedModel:
    """Puts adapters into a model, in place, and freezes everything else.

    The adapters are fp32 and on the devices of their layers. Those on meta are to be made real, and then given values
    by `initialize_lora`.

    Args:
        model: its weights may be fp32, NF4, or on meta.
        settings: of the adapters.

    Returns:
        The same model.

    Raises:
        InputError: peft is not installed, or the model has no such layers.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise InputError("--model.lora: needs peft; install the extra [lora]") from None
    targets = settings.target_modules
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # declared int, used in a division only
        lora_dropout=settings.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
    )
    try:
        inject_adapter_in_model(config, model, adapter_name=_ADAPTER)
    except ValueError as error:
        raise InputError(f"--model.lora.target_modules {targets}: {' '.join(str(error).split())[:200]}") from None
    for parameter in _adapters(model).values():
        parameter.data = parameter.data.float()
    if not any(parameter.is_meta for parameter in _adapters(model).values()):
        initialize_lora(model)
    return model


def initialize_lora(model: nn.Module, seed: int = 0) -> None:
    """Gives adapters their first values: A as of a linear layer, B zero, so that the model computes what it did.

    An adapter's values depend on its name and the seed alone: they are the same on any number of ranks.

    Args:
        model: with adapters; their parameters may be sharded.
        seed: of A.
    """
    with torch.no_grad():
        for name, parameter in _adapters(model).items():
            if ".lora_B." in name:
                parameter.zero_()
                continue
            generator = torch.Generator().manual_seed((seed << 32) + zlib.crc32(name.encode()))
            whole = torch.empty(parameter.shape)
            nn.init.kaiming_uniform_(whole, a=math.sqrt(5), generator=generator)
            whole = whole.to(parameter.device)
            if isinstance(parameter, DTensor):  # every rank has the whole: nothing needs to be sent
                whole = distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)
            parameter.copy_(whole)


def adapters_of(name: str) -> tuple[str, str]:
    """The names of a linear layer's A and B, from the name of its weight in the plain model."""
    layer = name.removesuffix(".weight")
    return f"{layer}.lora_A.{_ADAPTER}.weight", f"{layer}.lora_B.{_ADAPTER}.weight"


def plain_name(name: str) -> str | None:
    """What a parameter of a model with adapters is called in the plain model; None for an adapter."""
    return None if ".lora_A." in name or ".lora_B." in name else name.replace(_BASE, "")


def merged_weight(weight: Tensor, a: Tensor, b: Tensor, settings: LoraSettings) -> Tensor:
    """W + alpha / rank · B A, computed in fp32, in W's type; (out, in)."""
    return (weight.float() + settings.scaling * (b.float() @ a.float())).to(weight.dtype)


def _adapters(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if plain_name(name) is None}
