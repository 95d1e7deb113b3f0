"""Tiny models of the paper's two families: the real Llama and Mistral classes, two blocks, random weights."""

from pathlib import Path

import torch
from families import LLAMA_2, MISTRAL, mistral_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedModel

TEMPLATES = {"llama": LLAMA_2, "mistral": MISTRAL}


def family_model(family: str, vocab_size: int = 500, **settings: object) -> PreTrainedModel:
    """Always the same. Mistral's has half as many heads for keys and values."""
    torch.manual_seed(0)
    shape = {
        "vocab_size": vocab_size,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if family == "llama":
        return LlamaForCausalLM(LlamaConfig(**{**shape, **settings}))
    return MistralForCausalLM(MistralConfig(**{**shape, "num_key_value_heads": 2, "sliding_window": None, **settings}))


def save_family(family: str, folder: Path) -> Path:
    """Writes a model folder with the family's chat template and returns it."""
    tokenizer = mistral_tokenizer(TEMPLATES[family])
    family_model(family, len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
