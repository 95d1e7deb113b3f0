"""What a checkpoint keeps of its model beside the weights, so that `export` needs nothing else."""

import json
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule
from transformers import PreTrainedModel, PreTrainedTokenizerBase


def save_model_files(module: LightningModule, folder: Path) -> None:
    """Writes config, generation config, and tokenizer with its chat template.

    Args:
        module: with a `model` and a `tokenizer`; one without is left alone.
        folder: where to; exists.
    """
    model, tokenizer = getattr(module, "model", None), getattr(module, "tokenizer", None)
    if isinstance(model, PreTrainedModel):
        config = model.config.to_dict()
        architecture = type(model).__name__.removeprefix("FSDP")  # fully_shard makes a class of its own
        config["architectures"] = config.get("architectures") or [architecture]
        config.pop("quantization_config", None)  # of the fit; what is exported is plain
        (folder / "config.json").write_text(json.dumps(_primitives(config), indent=2, sort_keys=True) + "\n")
        if model.generation_config is not None:
            model.generation_config.save_pretrained(folder)
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        tokenizer.save_pretrained(folder)


def _primitives(value: Any) -> Any:
    """The value as JSON has it; a dtype, or anything else it does not know, as its text."""
    if isinstance(value, dict):
        return {str(key): _primitives(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_primitives(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value).removeprefix("torch.")
