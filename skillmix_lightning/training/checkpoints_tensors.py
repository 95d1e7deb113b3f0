"""The tensors of a checkpoint: trained weights and optimizer states by name, in shards, on any number of ranks.

The shards and their index are what torch.distributed.checkpoint (DCP) writes, readable with its tools. Names are the
plain model's whatever wraps it, a tied weight is saved once, and weights that are not trained (under LoRA: the base
model's) are not saved at all: they come from where the fit got them.
"""

import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.training.checkpoints import TENSORS

# One process is a case like any other here; DCP warns of it at each save and load.
warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninitialized")

WEIGHTS = "weights/"
_WRAPPERS = ("_orig_mod.", "_checkpoint_wrapped_module.")

#: All that the index of a checkpoint is made of.
_INDEX_CLASSES = {
    *(("torch.distributed.checkpoint.metadata", name) for name in (
        "BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex", "StorageMeta",
        "TensorProperties", "TensorStorageMetadata", "_MEM_FORMAT_ENCODING",
    )),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch.serialization", "_get_layout"),
    ("torch", "Size"),
    ("torch", "device"),
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
    ("collections", "OrderedDict"),
    *(("torch", str(value).removeprefix("torch.")) for value in vars(torch).values() if isinstance(value, torch.dtype)),
}  # fmt: skip


class _IndexUnpickler(pickle.Unpickler):
    """Reads DCP's index, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _INDEX_CLASSES:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a checkpoint's index")
        return super().find_class(module, name)


class ShardReader(FileSystemReader):
    """DCP's reader, without its unrestricted unpickling of the index; reads the index once.

    Args:
        checkpoint: a checkpoint folder.
    """

    def __init__(self, checkpoint: Path) -> None:
        super().__init__(checkpoint / TENSORS)
        self.index = self._read_index(checkpoint / TENSORS / ".metadata")

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """The index."""
        return self.index

    def sizes(self, prefix: str) -> dict[str, TensorStorageMetadata]:
        """Name behind the prefix to what is stored under it."""
        return {
            name.removeprefix(prefix): stored
            for name, stored in self.index.state_dict_metadata.items()
            if name.startswith(prefix) and isinstance(stored, TensorStorageMetadata)
        }

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Fills the tensors; each rank reads what it needs of them."""
        if tensors:
            load(tensors, storage_reader=self, no_dist=True)

    def _read_index(self, file: Path) -> Metadata:
        try:
            with file.open("rb") as stream:
                index: Metadata = _IndexUnpickler(stream).load()
        except (pickle.UnpicklingError, OSError, EOFError) as error:
            raise InputError(f"{file}: cannot be read ({error}); give another checkpoint") from None
        if index.storage_meta is not None:
            index.storage_meta.load_id = self.load_id
        return index


def plain_name(name: str) -> str:
    """A parameter's name in the plain model, without what compilation and activation checkpointing put in."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def reshard(module: nn.Module) -> None:
    """Gives FSDP2's parameters their shards back.

    A forward pass without a backward (validation, generation) leaves the outermost weights gathered, or gone from
    memory where they are not: saving those crashes, or saves nothing.
    """
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def weight_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Name to tensor of the trained parameters and the persistent buffers; tied ones once."""
    parameters = dict(module.named_parameters())
    everything = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    tensors = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    buffers = {name: value for name, value in module.state_dict().items() if name not in everything}
    frozen_base = len(tensors) < len(parameters)
    if frozen_base:  # the frozen model's own buffers (NF4: its block scales) come with its weights
        buffers = {}
    return {WEIGHTS + plain_name(name): value.detach() for name, value in {**tensors, **buffers}.items()}


def load_weights(module: nn.Module, reader: ShardReader, where: Path) -> None:
    """Fills the module's trained weights, in place.

    Raises:
        InputError: the checkpoint is another model's.
    """
    tensors = weight_tensors(module)
    stored = reader.sizes(WEIGHTS)
    wanted = {name.removeprefix(WEIGHTS): tensor for name, tensor in tensors.items()}
    problems = _listed("the checkpoint lacks", sorted(wanted.keys() - stored.keys()))
    problems += _listed("the model has no", sorted(stored.keys() - wanted.keys()))
    problems += [
        f"{name} is {tuple(stored[name].size)} there and {tuple(wanted[name].shape)} in the model"
        for name in sorted(wanted.keys() & stored.keys())
        if stored[name].size != wanted[name].shape
    ][:3]
    raise_all(f"{where}: is not this model's checkpoint; set --model as in its fit", problems)
    reader.load(tensors)


def optimizer_parts(module: nn.Module, optimizer: Optimizer, number: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as named tensors and the plain values beside them.

    Args:
        module: whose parameters it has.
        optimizer: any; nested states are allowed.
        number: its place among the module's optimizers.

    Returns:
        Name to tensor, for the shards; and what else it takes: kind, groups by parameters' names, plain values by name.
    """
    state = optimizer.state_dict()
    names = _parameter_names(module, optimizer)
    order = [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    for place, of_parameter in state["state"].items():
        for path, value in _leaves(of_parameter):
            key = f"{_prefix(number)}{order[place]}/{path}"
            if isinstance(value, Tensor):
                tensors[key] = value
            else:
                values[key] = value
    groups = [{**group, "params": [order[place] for place in group["params"]]} for group in state["param_groups"]]
    return tensors, {"kind": type(optimizer).__name__, "groups": groups, "values": values}


def load_optimizer(
    module: nn.Module, optimizer: Optimizer, number: int, saved: Mapping[str, Any], reader: ShardReader, where: Path
) -> None:
    """Brings an optimizer to the saved state, parameter by parameter, by name.

    Args:
        module: whose parameters it has.
        optimizer: made with the settings of the fit that saved it.
        number: its place among the module's optimizers.
        saved: the plain part that `optimizer_parts` gave.
        reader: of the checkpoint.
        where: the checkpoint, for messages.

    Raises:
        InputError: the optimizer is of another kind, or has other parameter groups.
    """
    names = _parameter_names(module, optimizer)
    groups = [[names[id(parameter)] for parameter in group["params"]] for group in optimizer.param_groups]
    problems = []
    if saved["kind"] != (kind := type(optimizer).__name__):
        problems.append(f"its optimizer is {saved['kind']} and this fit's {kind}")
    if groups != [group["params"] for group in saved["groups"]]:
        problems.append("its optimizer has other parameter groups")
    raise_all(f"{where}: set --model.optimizer and what is trained as there", problems)
    places = {name: place for place, name in enumerate(name for group in groups for name in group)}
    parameters = {names[id(parameter)]: parameter for group in optimizer.param_groups for parameter in group["params"]}
    prefix = _prefix(number)
    tensors: dict[str, Tensor] = {}
    for key, stored in reader.sizes(prefix).items():
        tensors[prefix + key] = _empty(parameters[key.split("/")[0]], stored)
    reader.load(tensors)
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **saved["values"]}.items():
        name, *path = key.removeprefix(prefix).split("/")
        inner = state.setdefault(places[name], {})
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
        inner[path[-1]] = value
    counted = iter(range(len(places)))
    optimizer.load_state_dict(
        {
            "state": state,
            "param_groups": [
                {**group, "params": [next(counted) for _ in group["params"]]} for group in saved["groups"]
            ],
        }
    )


def _prefix(number: int) -> str:
    return f"optimizer/{number}/"


def _parameter_names(module: nn.Module, optimizer: Optimizer) -> dict[int, str]:
    names = {id(parameter): plain_name(name) for name, parameter in module.named_parameters()}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert all(id(parameter) in names for parameter in parameters), "the optimizer has parameters of this module only"
    return names


def _leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{path}{key}/")
        else:
            yield f"{path}{key}", item


def _empty(parameter: Tensor, stored: TensorStorageMetadata) -> Tensor:
    """A tensor to load a state into: sharded as its parameter is, where it has the parameter's shape."""
    dtype = stored.properties.dtype
    if isinstance(parameter, DTensor) and stored.size == parameter.shape:
        return torch.empty_like(parameter, dtype=dtype, requires_grad=False)
    return torch.empty(stored.size, dtype=dtype, device=parameter.device)


def _listed(what: str, names: list[str]) -> list[str]:
    return [f"{what} {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")] if names else []
