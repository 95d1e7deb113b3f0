"""Gives a sharded model its weights: every rank reads its own rows from safetensors files, and nothing else.

`parallelize` leaves a model of shards on the meta device. `materialize` gives them memory and `load_shards` values. At
no time does a rank hold more on the CPU than the slice of one tensor, beside its shards where those are on the CPU.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from re import search
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Shard
from transformers import PreTrainedModel

from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.models.meta import INDEX, WEIGHTS
from skillmix_lightning.training.adapters import plain_name

_SHOWN = 5
_ROWS_AT_ONCE = 4096
# Files of models saved years ago hold the rotary frequencies of every layer, which are computed instead.
_COMPUTED = (r"rotary_emb\.inv_freq$",)


def materialize(model: PreTrainedModel, device: torch.device, cpu_offload: bool = False) -> None:
    """Gives a model on the meta device memory, and its computed buffers their values; its weights are garbage then.

    Args:
        model: as `parallelize` leaves it.
        device: where it computes.
        cpu_offload: keep parameters on the CPU; buffers are on `device` all the same.

    Raises:
        InputError: a buffer of the model is not one that transformers knows how to compute.
    """
    model.to_empty(device=torch.device("cpu") if cpu_offload else device)
    model.tie_weights()  # what shared a tensor has one each then
    for module in model.modules():
        module._is_hf_initialized = False  # type: ignore[assignment]  # it was, on meta
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = buffer.to(device)
                if buffer.is_floating_point():
                    module._buffers[name].fill_(math.nan)  # type: ignore[union-attr]
    for parameter in model.parameters():
        parameter._is_hf_initialized = True  # type: ignore[attr-defined]  # leave it: only buffers are wanted
    model.initialize_weights()
    in_files = model.state_dict().keys()
    unknown = [n for n, b in model.named_buffers() if n not in in_files and b.is_floating_point() and b.isnan().any()]
    if unknown:
        raise InputError(
            f"{type(model).__name__}: its buffer {unknown[0]} is computed by code of its own, so the model cannot be "
            "loaded in shards; use another strategy"
        )


def load_shards(model: PreTrainedModel, folder: Path) -> None:
    """Reads weights from a model folder, one file or many, each rank its rows only.

    Rows of the embeddings beyond the file's (tokens added to the tokenizer) become the mean of the file's. Adapters are
    not read: `initialize_lora` gives them values.

    Args:
        model: materialized; sharded over the first dimension by FSDP2, or plain.
        folder: with `model.safetensors`, or `model.safetensors.index.json` and the files it names.

    Raises:
        InputError: the folder has no safetensors files, or their tensors are not the model's; all that is missing,
            unexpected or of another shape is listed.
    """
    files = _files_of_tensors(folder)
    targets = _targets(model)
    problems = _different_names(files, targets, _ignored(model))
    raise_all(str(folder), problems)
    may_grow = {id(weight) for weight in _embeddings(model)}
    by_file: dict[Path, list[_Target]] = defaultdict(list)
    for target in targets:
        target.name = next(name for name in target.names if name in files)
        by_file[files[target.name]].append(target)
    for file, wanted in by_file.items():
        with _opened(file) as tensors:
            for target in wanted:
                problem = _read(tensors, target, grows=id(target.tensor) in may_grow)
                problems += [problem] if problem else []
    raise_all(str(folder), problems)


def grow_vocabulary(model: PreTrainedModel, size: int) -> None:
    """Gives a whole model's embeddings at least `size` rows; further ones are the mean of what was there.

    Tokens added to a tokenizer (for padding, say) then are no worse than any other; `load_shards` does the same.

    Args:
        model: with its weights.
        size: of the tokenizer.
    """
    rows = len(_embeddings(model)[0])
    if size <= rows:
        return
    model.resize_token_embeddings(size, mean_resizing=False)
    for weight in _embeddings(model):
        weight.data[rows:].copy_(_mean_row(weight.data, rows))


@dataclass
class _Target:
    """A tensor of the model, and what it may be called in files: tied tensors have several names."""

    tensor: Tensor
    names: list[str]
    name: str = ""


def _embeddings(model: PreTrainedModel) -> list[nn.Parameter]:
    """What has a row for every token: the weights of the input and the output embedding, which may be one."""
    modules: tuple[Any, ...] = (model.get_input_embeddings(), model.get_output_embeddings())
    return [module.weight for module in modules if module is not None]


def _targets(model: nn.Module) -> list[_Target]:
    targets: dict[int, _Target] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        plain = plain_name(name)
        if plain is not None:
            targets.setdefault(id(tensor), _Target(tensor, [])).names.append(plain)
    return list(targets.values())


def _files_of_tensors(folder: Path) -> dict[str, Path]:
    index = folder / INDEX
    if index.exists():
        names: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = {name: folder / file for name, file in names.items()}
        lost = sorted({str(file.name) for file in files.values() if not file.exists()})
        raise_all(str(folder), [f"{file}, which the index names, is missing" for file in lost])
        return files
    if not (folder / WEIGHTS).exists():
        raise InputError(
            f"{folder}: holds neither {WEIGHTS} nor {INDEX}; save the model with save_pretrained, or use another "
            "strategy than fsdp2"
        )
    with _opened(folder / WEIGHTS) as tensors:
        return dict.fromkeys(tensors.keys(), folder / WEIGHTS)


def _opened(file: Path) -> Any:
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: is no whole safetensors file ({error}); fetch it again") from None


def _ignored(model: PreTrainedModel) -> tuple[str, ...]:
    return (*_COMPUTED, *(model._keys_to_ignore_on_load_unexpected or ()))


def _different_names(files: Iterable[str], targets: Iterable[_Target], ignored: Iterable[str]) -> list[str]:
    found = set(files)
    known = {name for target in targets for name in target.names}
    missing = sorted(target.names[0] for target in targets if not found.intersection(target.names))
    unexpected = sorted(n for n in found - known if not any(search(pattern, n) for pattern in ignored))
    problems = []
    if missing:
        problems.append(f"{len(missing)} of the model's weights are not in its files: {_some(missing)}")
    if unexpected:
        problems.append(f"{len(unexpected)} weights in its files are not the model's: {_some(unexpected)}")
    return problems


def _read(tensors: Any, target: _Target, grows: bool) -> str | None:
    """Copies this rank's rows of a tensor; says what is wrong with its shape instead, if something is."""
    tensor = target.tensor
    saved = tensors.get_slice(target.name)
    shape, wanted = tuple(saved.get_shape()), tuple(tensor.shape)
    if shape != wanted and not (grows and shape[1:] == wanted[1:] and shape[0] < wanted[0]):
        return f"{target.name} is {shape} in its file and {wanted} in the model"
    with torch.no_grad():
        if not shape:
            tensor.copy_(tensors.get_tensor(target.name))
            return None
        local, first = _local_rows(tensor)
        from_file = max(0, min(shape[0] - first, local.shape[0]))
        if from_file:
            local[:from_file].copy_(saved[first : first + from_file])
        if from_file < local.shape[0]:
            local[from_file:].copy_(_mean_row(saved, shape[0]))
    return None


def _local_rows(tensor: Tensor) -> tuple[Tensor, int]:
    """What of a tensor is on this rank, and its first row's number."""
    if not isinstance(tensor, DTensor):
        return tensor.data, 0
    assert tensor.placements == (Shard(0),), "parallelize shards over the first dimension, on a mesh of one"
    chunk = -(-tensor.shape[0] // tensor.device_mesh.size())
    return tensor.to_local(), min(tensor.shape[0], chunk * tensor.device_mesh.get_local_rank())


def _mean_row(saved: Any, rows: int) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for first in range(0, rows, _ROWS_AT_ONCE):
        total = total + saved[first : min(rows, first + _ROWS_AT_ONCE)].double().sum(0)
    return total / rows


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
