"""Tokenizers and causal language models by name: `embedded:…`, a local folder, or a hub name."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from skillmix_lightning.errors import InputError
from skillmix_lightning.models.embedded import NAME as EMBEDDED
from skillmix_lightning.models.embedded import embedded_model
from skillmix_lightning.models.precision import fastest_precision


def resolve_model(name: str) -> str:
    """What transformers can load for a model name.

    Raises:
        InputError: an unknown embedded model, a folder that is missing or is no model's.
    """
    if name.startswith("embedded:"):
        if name != EMBEDDED:
            raise InputError(f'no embedded model is called "{name}"; there is {EMBEDDED}')
        return str(embedded_model())
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise InputError(f"{name}: the folder holds no config.json, so it is no Hugging Face model folder")
        return str(folder)
    if name.count("/") > 1 or name.startswith((".", "/", "~")) or "\\" in name:
        raise InputError(f"{name}: no such folder; give a model folder, a hub name, or {EMBEDDED}")
    return name


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model.

    Raises:
        InputError: it cannot be loaded.
    """
    resolved = resolve_model(name)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(resolved)
    except Exception as error:  # of a broken folder: whatever transformers' parsers happen to raise
        raise _cannot_load(name, "tokenizer", error) from error
    return tokenizer


def load_causal_lm(
    name: str,
    dtype: torch.dtype = torch.float32,
    attn_implementation: str | None = None,
    quantization: Literal["nf4"] | None = None,
) -> PreTrainedModel:
    """The model, on the CPU, in evaluation mode; quantized, on the current CUDA device if there is one.

    Args:
        name: as in `resolve_model`.
        dtype: of the weights; training keeps them in fp32 and computes in bf16 where the hardware can.
        attn_implementation: "sdpa", "eager", "flash_attention_2", …; None lets transformers choose.
        quantization: "nf4" holds the blocks' linear layers in 4 bits, their scales in 8 (arXiv 2305.14314, section 3),
            and multiplies in bf16 where the hardware can; other weights are as `dtype` says. None for no quantization.

    Raises:
        InputError: it cannot be loaded, or its files lack some of its weights.
    """
    resolved = resolve_model(name)
    options: dict[str, Any] = {"dtype": dtype, "output_loading_info": True}
    if attn_implementation is not None:
        options["attn_implementation"] = attn_implementation
    if quantization is not None:
        device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
        options |= {"quantization_config": _nf4(device), "device_map": {"": device}}
    try:
        loading: Any = AutoModelForCausalLM.from_pretrained(resolved, **options)
    except Exception as error:
        raise _cannot_load(name, "model", error) from error
    model: PreTrainedModel
    model, found = loading
    if missing := sorted(found["missing_keys"]):  # transformers would leave these random and only warn
        raise InputError(
            f"{name}: {len(missing)} of the model's weights are not in its files, the first is {missing[0]}; "
            "give a complete model folder"
        )
    return model


def to_accelerator(model: PreTrainedModel, name: str) -> PreTrainedModel:
    """The model on the CUDA device if there is one, else where it is.

    Args:
        model: with its weights.
        name: what an error calls it.

    Raises:
        InputError: the device lacks the memory.
    """
    if torch.cuda.is_available():
        try:
            nn.Module.cuda(model)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"{name}: the weights do not fit on the CUDA device; free it, or hide it with CUDA_VISIBLE_DEVICES="
            ) from error
    return model


def _nf4(device: str) -> BitsAndBytesConfig:
    compute = torch.bfloat16 if fastest_precision(device.split(":")[0]) == "bf16-mixed" else torch.float32
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )


def _cannot_load(name: str, what: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split())
    return InputError(f"{name}: the {what} cannot be loaded ({reason[:300]}); give a model folder or a hub name")
