"""How much memory writing takes, and how much there is: what batch sizes and gathered weights are decided by."""

import os
from pathlib import Path

import torch
from transformers import PreTrainedModel

SHARE_OF_FREE_MEMORY = 0.8  # the rest is for what is counted nowhere and what allocators cannot use

# A larger batch is hardly faster, and what an interruption loses is a batch.
_MOST_AT_ONCE = {"cpu": 64, "cuda": 256}


def cache_bytes_per_token(model: PreTrainedModel, dtype: torch.dtype) -> int:
    """Of one token's keys and values in all blocks.

    Args:
        model: whose.
        dtype: it computes in.
    """
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    kept = getattr(config, "num_key_value_heads", None) or heads
    return int(2 * config.num_hidden_layers * kept * head_size * dtype.itemsize)


def bytes_per_text(model: PreTrainedModel, prompt: int, longest: int, dtype: torch.dtype) -> int:
    """What a text of a batch takes while it is written.

    Args:
        model: that writes.
        prompt: tokens that it reads at once.
        longest: tokens of the whole conversation.
        dtype: it computes in.
    """
    config = model.config.get_text_config()
    cached = longest * cache_bytes_per_token(model, dtype)
    grown = 2 * cached // config.num_hidden_layers  # a block's keys and values are copied when they grow
    wide = 4 * config.hidden_size + 3 * getattr(config, "intermediate_size", 4 * config.hidden_size)
    reading = prompt * wide * dtype.itemsize + prompt * longest  # a block's activations, and the mask
    drawing = 4 * 8 * config.vocab_size  # the next token's scores and probabilities, in double precision
    return int(cached + grown + reading + drawing)


def texts_at_once(model: PreTrainedModel, prompt: int, longest: int, dtype: torch.dtype, autocast: bool) -> int:
    """The batch size that free memory allows; at least 1.

    Args:
        model: on the device that it computes on.
        prompt: as in `bytes_per_text`.
        longest: likewise.
        dtype: likewise.
        autocast: whether weights are cast to it, which keeps a copy of them.
    """
    bound = _MOST_AT_ONCE.get(model.device.type, 64)
    free = free_memory(model.device) * SHARE_OF_FREE_MEMORY
    if autocast:
        free -= sum(parameter.numel() for parameter in model.parameters()) * dtype.itemsize
    return max(1, min(bound, int(free // bytes_per_text(model, prompt, longest, dtype))))


def free_memory(device: torch.device, local_ranks: int = 1) -> float:
    """Bytes that a rank can still use on its device.

    Args:
        device: which.
        local_ranks: how many share the machine's memory; each has an accelerator of its own.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return _free_on_host() / local_ranks


def _free_on_host() -> float:
    """With what the file cache would give back, where the system says that; 0 where it says nothing."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    pages = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else 0
    return pages * os.sysconf("SC_PAGE_SIZE")
