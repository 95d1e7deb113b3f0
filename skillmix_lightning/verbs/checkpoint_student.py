"""A fit's checkpoint as a student: `--student.model …/checkpoints/last`, of any number of ranks, adapters or not.

Its weights are put together on one process, as `export` does it, without a folder in between. Nothing here is imported
unless a student's model is a folder.
"""

import hashlib
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from skillmix_lightning.errors import InputError
from skillmix_lightning.models import load_tokenizer, to_accelerator
from skillmix_lightning.models.meta import build_on_meta
from skillmix_lightning.training import checkpoints
from skillmix_lightning.training.export_weights import exported_weights

_HASHED = 2**20  # bytes of each file; training changes every weight and every state, so also those in front


def identity(checkpoint: Path) -> dict[str, Any]:
    """What a run is held to beside the checkpoint's path: other weights may come to lie under the same name.

    Args:
        checkpoint: a checkpoint folder, or a link to one.

    Returns:
        Its step, and a sha256 of its mark and of the beginning of every file.

    Raises:
        InputError: it is no whole checkpoint.
    """
    mark = checkpoints.read_mark(checkpoint)
    digest = hashlib.sha256((checkpoint / checkpoints.MARK).read_bytes())
    for name in sorted(mark.files):
        with (checkpoint / name).open("rb") as file:
            digest.update(file.read(_HASHED))
    return {"step": mark.step, "sha256": digest.hexdigest()}


def load(checkpoint: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of a checkpoint, in fp32, on the CUDA device if there is one; and the tokenizer it was trained with.

    Args:
        checkpoint: a checkpoint folder, or a link to one.

    Raises:
        InputError: no whole checkpoint, or weights that cannot be found.
    """
    checkpoint = checkpoint.resolve()  # `last` may be led elsewhere meanwhile
    mark = checkpoints.read_mark(checkpoint)
    folder = checkpoint / checkpoints.MODEL
    if not (folder / "config.json").is_file():
        raise InputError(f"{checkpoint}: holds no config.json of its model, so nothing can be written with it")
    empty = build_on_meta(str(folder))
    trainer = checkpoints.load_plain(checkpoint / checkpoints.TRAINER)
    lora = trainer.get("hyper_parameters", {}).get("lora")
    weights = exported_weights(checkpoint, mark, lora)
    values = {name: weights.load(name) for name in weights.shapes}
    model = type(empty).from_pretrained(None, config=empty.config, state_dict=values, dtype=torch.float32)
    model.generation_config = empty.generation_config
    return to_accelerator(model.eval(), str(checkpoint)), load_tokenizer(str(folder))
