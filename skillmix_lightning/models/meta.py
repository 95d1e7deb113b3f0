"""Models without weights, and where their weights lie: what sharded fits start from.

A model on the meta device has shapes and no values, so that 13B parameters cost no memory until every rank holds its
share of them (`training.loading`).
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from skillmix_lightning.errors import InputError
from skillmix_lightning.models.load import resolve_model

#: What transformers calls the weights it saves; other safetensors files of a repository are other formats of the same.
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def build_on_meta(name: str, attn_implementation: str | None = None, vocabulary: int = 0) -> PreTrainedModel:
    """The model on the meta device, in fp32, in evaluation mode; reads its config only.

    Args:
        name: as in `resolve_model`.
        attn_implementation: "sdpa", "eager", "flash_attention_2", …; None lets transformers choose.
        vocabulary: the tokenizer's size; the embeddings get more rows if they have fewer.

    Raises:
        InputError: the model has no config that can be read, or its class is unknown.
    """
    resolved = resolve_model(name)
    options: dict[str, Any] = {"dtype": torch.float32}
    if attn_implementation is not None:
        options["attn_implementation"] = attn_implementation
    try:
        config: Any = AutoConfig.from_pretrained(resolved)
        text_config = config.get_text_config()
        text_config.vocab_size = max(text_config.vocab_size, vocabulary)
        with torch.device("meta"):
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config, **options)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"{name}: the model cannot be built ({' '.join(str(error).split())[:300]}); give a model folder or a hub "
            "name"
        ) from error
    with suppress(OSError):  # the file is optional: without it the config's own settings stay
        model.generation_config = GenerationConfig.from_pretrained(resolved)
    model.eval()
    return model


def weights_folder(name: str) -> Path:
    """The folder with a model's safetensors files; a hub model is downloaded if it is not in the cache.

    Safe for several processes at once: the hub client locks each file.

    Args:
        name: as in `resolve_model`.

    Raises:
        InputError: there is no such model, or the hub cannot be reached.
    """
    resolved = resolve_model(name)
    if Path(resolved).is_dir():
        return Path(resolved)
    patterns = [WEIGHTS, INDEX, "model-*.safetensors", "*config.json"]
    try:
        return Path(snapshot_download(resolved, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name}: the weights cannot be fetched ({' '.join(str(error).split())[:300]}); give a model folder"
        ) from error
