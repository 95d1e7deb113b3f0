"""From a checkpoint to a Hugging Face folder, on the CPU, never holding more than one file of the result.

The result has the weights in safetensors files with their index, the config, the generation config, the tokenizer with
its chat template, and a model card. It loads with transformers, vLLM and the like, and is itself a `--model.model`.
"""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from skillmix_lightning.errors import InputError
from skillmix_lightning.models.meta import INDEX, WEIGHTS
from skillmix_lightning.training import checkpoints
from skillmix_lightning.training.export_card import model_card
from skillmix_lightning.training.export_weights import ExportedWeights, exported_weights

ExportType = Literal["auto", "bfloat16", "float32"]

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def export_checkpoint(
    checkpoint: Path, out: Path, dtype: ExportType = "auto", max_shard_size: str = "5GB"
) -> dict[str, int]:
    """Writes the model of a checkpoint as a Hugging Face folder, which appears whole or not at all.

    Args:
        checkpoint: a checkpoint folder, of any number of ranks; adapters are merged into the base weights.
        out: the folder to make.
        dtype: of the weights; "auto" keeps the checkpoint's, fp32.
        max_shard_size: of a file, such as "5GB"; a larger tensor gets a file of its own. Also what is in memory.

    Returns:
        File name to size in bytes.

    Raises:
        InputError: no whole checkpoint, an existing folder, or weights that cannot be found.
    """
    checkpoint = checkpoint.resolve()
    limit = bytes_of(max_shard_size)
    mark = checkpoints.read_mark(checkpoint)
    if out.exists():
        raise InputError(f"{out}: is there already; give --out a folder that is not")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out.parent}: cannot be made ({error.strerror}); give another --out") from None
    config = json.loads(_model_file(checkpoint, "config.json").read_text(encoding="utf-8"))
    trainer = checkpoints.load_plain(checkpoint / checkpoints.TRAINER)
    weights = exported_weights(checkpoint, mark, trainer.get("hyper_parameters", {}).get("lora"))
    unfinished = checkpoints.unfinished(out)
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        shutil.copytree(checkpoint / checkpoints.MODEL, unfinished)
        kind = None if dtype == "auto" else getattr(torch, dtype)
        _write_weights(weights, unfinished, kind, limit)
        config["dtype"] = str(kind or torch.float32).removeprefix("torch.")
        (unfinished / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        card = model_card(checkpoint, mark, trainer, config["dtype"])
        (unfinished / "README.md").write_text(card, encoding="utf-8")
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return {file.name: file.stat().st_size for file in sorted(out.iterdir())}


def bytes_of(size: str) -> int:
    """The number of bytes that "5GB" or "300 MiB" stands for.

    Raises:
        InputError: it stands for none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]I?B|)\s*", size.upper())
    if found is None or float(found[1]) <= 0:
        raise InputError(f"--max_shard_size {size}: is no size; give one such as 5GB or 500MB")
    return max(1, int(float(found[1]) * _UNITS[found[2]]))


def _model_file(checkpoint: Path, name: str) -> Path:
    file = checkpoint / checkpoints.MODEL / name
    if not file.is_file():
        raise InputError(f"{checkpoint}: holds no {name} of its model, so it cannot be exported")
    return file


def _write_weights(weights: ExportedWeights, folder: Path, dtype: torch.dtype | None, limit: int) -> None:
    files = _planned(weights, dtype, limit)
    names = [f"model-{number + 1:05d}-of-{len(files):05d}.safetensors" for number in range(len(files))]
    if len(files) == 1:
        names = [WEIGHTS]
    total = 0
    for file, tensors in zip(names, files, strict=True):
        held: dict[str, Tensor] = {}
        for name in tensors:
            tensor = weights.load(name)
            held[name] = (tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor).contiguous()
        total += sum(tensor.nbytes for tensor in held.values())
        _save(held, folder / file)
    if len(files) > 1:
        place = {name: file for file, tensors in zip(names, files, strict=True) for name in tensors}
        index: dict[str, Any] = {"metadata": {"total_size": total}, "weight_map": dict(sorted(place.items()))}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _save(tensors: dict[str, Tensor], file: Path) -> None:
    file.touch()
    mode = file.stat().st_mode
    save_file(tensors, file, metadata={"format": "pt"})
    file.chmod(mode)  # save_file leaves a file that its owner alone can read


def _planned(weights: ExportedWeights, dtype: torch.dtype | None, limit: int) -> list[list[str]]:
    """Which tensors go into which file, in the model's order."""
    files: list[list[str]] = []
    filled = 0
    for name, (shape, stored) in weights.shapes.items():
        kind = dtype if dtype and stored.is_floating_point else stored
        size = _product(shape) * kind.itemsize
        if not files or filled + size > limit:
            files.append([])
            filled = 0
        files[-1].append(name)
        filled += size
    return files


def _product(numbers: Iterable[int]) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product
