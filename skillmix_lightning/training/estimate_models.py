"""Models without weights, for `estimate`: from a config on this machine, or from what is known of the paper's two."""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedModel

from skillmix_lightning.errors import InputError
from skillmix_lightning.models import resolve_model

#: The paper's models and their siblings of 7B, by hub name; gated ones have no config without an account.
_KNOWN: dict[str, tuple[type[Any], dict[str, int]]] = {
    "meta-llama/Llama-2-7b-chat-hf": (
        LlamaConfig,
        {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
    ),
    "meta-llama/Llama-2-13b-chat-hf": (
        LlamaConfig,
        {"hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40, "num_attention_heads": 40},
    ),
    "mistralai/Mistral-7B-Instruct-v0.2": (
        MistralConfig,
        {
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
        },
    ),
}


def shape_on_meta(name: str) -> PreTrainedModel:
    """A model on the meta device; downloads nothing.

    Args:
        name: as in `models.resolve_model`.

    Raises:
        InputError: its config is neither on this machine nor known.
    """
    config = _config(name)
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return model


def _config(name: str) -> Any:
    resolved = resolve_model(name)
    try:
        return AutoConfig.from_pretrained(resolved, local_files_only=True)
    except (OSError, ValueError) as error:
        if name in _KNOWN:
            kind, shape = _KNOWN[name]
            return kind(vocab_size=32000, tie_word_embeddings=False, **shape)
        raise InputError(
            f"{name}: its config is not on this machine, and estimate downloads nothing "
            f"({' '.join(str(error).split())[:200]}); give a model folder, or download its config.json first"
        ) from None
