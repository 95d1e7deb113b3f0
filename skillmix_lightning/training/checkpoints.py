"""A checkpoint is a folder that appears whole or not at all; this is its layout and its life on disk.

    step=000100/
        complete.json      written last: step, ranks, and every file with its size
        trainer.pt         loops, callbacks, schedules, settings; plain values and tensors only
        tensors/           torch.distributed.checkpoint: the trained weights and the optimizer's states, in shards
        random/            each rank's random states
        model/             what a Hugging Face folder needs beside the weights: config, generation config, tokenizer
        config.yaml        the fit's config, where the command line made one

A save goes to a hidden sibling, `.step=000100.saving`, is synced to the disk, gets its `complete.json`, and is renamed.
So a folder without that file, or with a file missing or short, is an interrupted save or copy and is never loaded.
Reading a checkpoint runs no code from it: `weights_only` loads, and `checkpoints_tensors.py` for the shards' index.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from torch import Tensor

from skillmix_lightning.errors import InputError

MARK = "complete.json"
TRAINER = "trainer.pt"
TENSORS = "tensors"
RANDOM = "random"
MODEL = "model"
CONFIG = "config.yaml"
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Mark:
    """What `complete.json` says of its checkpoint.

    Attributes:
        step: optimizer steps done.
        world_size: ranks that wrote it.
        model_name: the name that the fit's base weights were loaded by.
        files: relative path to size in bytes, of every other file.
        format: version of the layout.
    """

    step: int
    world_size: int
    model_name: str
    files: dict[str, int]
    format: int = _FORMAT


def unfinished(path: Path) -> Path:
    """Where a checkpoint is written before it is whole."""
    return path.with_name(f".{path.name}.saving")


def start(path: Path) -> Path:
    """Makes the empty hidden folder that the checkpoint is to be written into, and returns it."""
    folder = unfinished(path)
    shutil.rmtree(folder, ignore_errors=True)
    for part in (folder, folder / TENSORS, folder / RANDOM, folder / MODEL):
        part.mkdir(parents=True, exist_ok=True)
    return folder


def complete(path: Path, step: int, world_size: int, model_name: str) -> None:
    """Makes a written checkpoint visible under its name, in one rename, once all of it is on the disk.

    Args:
        path: the checkpoint; `start(path)` holds all its files.
        step: optimizer steps done.
        world_size: ranks that wrote it.
        model_name: of the base weights.
    """
    folder = unfinished(path)
    written = sorted(file for file in folder.rglob("*") if file.is_file())
    for file in written:
        _sync(file)
    files = {str(file.relative_to(folder)): file.stat().st_size for file in written}
    mark = folder / MARK
    mark.write_text(json.dumps(dataclasses.asdict(Mark(step, world_size, model_name, files)), indent=2) + "\n")
    for item in (mark, *(part for part in folder.rglob("*") if part.is_dir()), folder):
        _sync(item)
    if path.is_symlink() or path.is_file():
        path.unlink()
    if path.exists():  # a folder cannot be renamed over another; `recover` puts this one back if we end in between
        replaced = path.with_name(f".{path.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        path.rename(replaced)
        folder.rename(path)
        shutil.rmtree(replaced)
    else:
        folder.rename(path)
    _sync(path.parent)


def remove(path: Path) -> None:
    """Removes a checkpoint, so that an interruption leaves no part of it under its name."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        removed = path.with_name(f".{path.name}.removed")
        shutil.rmtree(removed, ignore_errors=True)
        path.rename(removed)
        shutil.rmtree(removed)


def recover(folder: Path) -> None:
    """Clears what interrupted saves and removals left in a folder; for rank 0, before anything is saved there."""
    for replaced in folder.glob(".*.replaced"):
        path = replaced.with_name(replaced.name.removeprefix(".").removesuffix(".replaced"))
        if not path.exists() and is_whole(replaced):
            replaced.rename(path)
    for ending in ("saving", "removed", "replaced"):
        for leftover in folder.glob(f".*.{ending}"):
            shutil.rmtree(leftover)


def is_whole(path: Path) -> bool:
    """Whether the folder is a checkpoint that was saved, and copied, to its end."""
    try:
        read_mark(path)
    except InputError:
        return False
    return True


def read_mark(path: Path) -> Mark:
    """The mark of a whole checkpoint.

    Raises:
        InputError: it is none.
    """
    mend = "give a checkpoint folder that was saved to its end, or `last`"
    if not path.is_dir():
        raise InputError(f"{path}: no checkpoint folder; {mend}")
    try:
        mark = Mark(**json.loads((path / MARK).read_text()))
    except FileNotFoundError:
        raise InputError(
            f"{path}: holds no {MARK}, so it is no checkpoint or its save was interrupted; {mend}"
        ) from None
    except (ValueError, TypeError):
        raise InputError(f"{path / MARK}: cannot be read; {mend}") from None
    if mark.format != _FORMAT:
        raise InputError(f"{path}: has format {mark.format}, and this version reads {_FORMAT}")
    for name, size in mark.files.items():
        file = path / name
        if not file.is_file() or file.stat().st_size != size:
            raise InputError(f"{path}: {name} is missing or cut short; {mend}")
    return mark


def newest_first(folders: Iterable[Path]) -> list[Path]:
    """The whole checkpoints in any of the folders, by step, then by when they were written."""
    found = []
    for path in {path for folder in folders if folder.is_dir() for path in folder.iterdir()}:
        if not path.name.startswith(".") and not path.is_symlink():  # links lead to others of them
            with suppress(InputError, FileNotFoundError):  # not whole; or being removed at this moment
                found.append((read_mark(path).step, (path / MARK).stat().st_mtime_ns, path.resolve()))
    return [path for _, _, path in sorted(found, reverse=True)]


def save_plain(value: Any, file: Path) -> None:
    """Writes a value that `load_plain` reads back.

    Raises:
        TypeError: a part of it is neither a plain value nor a tensor.
    """
    torch.save(plain(value), file)


def load_plain(file: Path) -> Any:
    """Reads what `save_plain` wrote; runs no code from the file."""
    return torch.load(file, map_location="cpu", weights_only=True)


def plain(value: Any, where: str = "the checkpoint") -> Any:
    """The value made of dicts, lists, tuples, numbers, strings and tensors on the CPU only.

    Raises:
        TypeError: a part of it is something else, which only pickled code could bring back.
    """
    if isinstance(value, Enum):
        return plain(value.value, where)
    kinds: tuple[type[Any], ...] = (bool, int, float, str, bytes)
    for kind in kinds:
        if isinstance(value, kind):
            return kind(value)  # subclasses, such as NumPy's float64, would need code to load
    if value is None:
        return None
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, os.PathLike):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return plain(fields, where)
    if isinstance(value, Namespace):
        return plain(value.as_dict(), where)
    if isinstance(value, Mapping):
        return {plain(key, where): plain(item, f"{where}, {key}") for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(item, where) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
        return tuple(items) if isinstance(value, tuple) else items
    if hasattr(value, "item"):  # a NumPy scalar
        return plain(value.item(), where)
    raise TypeError(f"{where}: a {type(value).__name__} cannot be saved without pickled code; save plain values")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
