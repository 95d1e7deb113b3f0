"""Where exported weights come from, one at a time: a checkpoint's shards, or base weights with adapters merged in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.models.meta import weights_folder
from skillmix_lightning.training.adapters import LoraSettings, adapters_of, merged_weight
from skillmix_lightning.training.checkpoints import MODEL, Mark
from skillmix_lightning.training.checkpoints_tensors import WEIGHTS, ShardReader

_MODULE = "model."


@dataclass(frozen=True)
class ExportedWeights:
    """A model's weights, none of them in memory.

    Attributes:
        shapes: name to shape and type, in the model's order; tied ones once.
        load: reads one, by name.
    """

    shapes: Mapping[str, tuple[torch.Size, torch.dtype]]
    load: Callable[[str], Tensor]


def exported_weights(checkpoint: Path, mark: Mark, lora: dict[str, Any] | None) -> ExportedWeights:
    """The weights of the model in a checkpoint.

    Args:
        checkpoint: the folder.
        mark: its mark.
        lora: the settings of its adapters, if it holds adapters.

    Raises:
        InputError: a weight of the model is neither in the checkpoint nor in the base model's files.
    """
    expected = _expected(checkpoint)
    reader = ShardReader(checkpoint)
    stored = {name.removeprefix(_MODULE): found for name, found in reader.sizes(WEIGHTS).items()}

    def saved(name: str) -> Tensor:
        tensor = torch.empty(stored[name].size, dtype=stored[name].properties.dtype)
        reader.load({WEIGHTS + _MODULE + name: tensor})
        return tensor

    if lora is None:
        missing = sorted(
            name for name, (_, shape) in expected.items() if name not in stored or stored[name].size != shape
        )
        raise_all(f"{checkpoint}: is not whole", [f"lacks {missing[0]} and {len(missing) - 1} more"] if missing else [])
        shapes = {name: (shape, stored[name].properties.dtype) for name, (_, shape) in expected.items()}
        return ExportedWeights(shapes, saved)

    settings = LoraSettings(**lora)
    base = _BaseFiles(mark.model_name, expected)
    problems = [f"has no {name}" for name in expected if name not in base.files]
    known = {adapter for name in expected for adapter in adapters_of(name)}
    problems += [f"has nothing that {name} could be merged into" for name in sorted(stored.keys() - known)]
    raise_all(f"{mark.model_name}: is not what the adapters of {checkpoint} were trained on", problems[:3])

    def merged(name: str) -> Tensor:
        weight = base.load(name)
        a, b = adapters_of(name)
        return merged_weight(weight, saved(a), saved(b), settings) if a in stored else weight

    # The base's own type may be narrower; what the adapters add would be lost in it.
    return ExportedWeights({name: (shape, torch.float32) for name, (_, shape) in expected.items()}, merged)


def _expected(checkpoint: Path) -> dict[str, tuple[list[str], torch.Size]]:
    """Every tensor of the model's files: its name to all names it goes by, and its shape."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(checkpoint / MODEL))
    found: dict[int, tuple[list[str], torch.Size]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        found.setdefault(id(tensor), ([], tensor.shape))[0].append(name)
    return {names[0]: (names, shape) for names, shape in found.values()}


class _BaseFiles:
    """The safetensors files of the base model, in fp32, with the vocabulary that the fit gave it."""

    def __init__(self, model_name: str, expected: dict[str, tuple[list[str], torch.Size]]) -> None:
        self._expected = expected
        held: dict[str, Path] = {}
        for file in sorted(weights_folder(model_name).glob("*.safetensors")):
            with safe_open(file, framework="pt") as tensors:
                held |= dict.fromkeys(tensors.keys(), file)
        #: Expected name to (file, the name there).
        self.files = {
            name: (held[there], there)
            for name, (names, _) in expected.items()
            if (there := next((alias for alias in names if alias in held), None)) is not None
        }

    def load(self, name: str) -> Tensor:
        file, there = self.files[name]
        with safe_open(file, framework="pt") as tensors:
            weight: Tensor = tensors.get_tensor(there).float()
        shape = self._expected[name][1]
        if weight.shape == shape:
            return weight
        if weight.shape[1:] != shape[1:] or len(weight) > shape[0]:
            raise InputError(f"{file}: {there} is {tuple(weight.shape)}, and the checkpoint's model has {tuple(shape)}")
        mean = weight.double().mean(0, keepdim=True).float()  # as the fit started with (training/loading.py)
        return torch.cat([weight, mean.expand(shape[0] - len(weight), *shape[1:])])
