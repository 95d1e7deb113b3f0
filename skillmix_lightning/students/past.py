"""What a batch of conversations has computed, for its next turn: the second turn reads the first only where it has to.

The next turn's prompts begin with the last one's prompts and replies, up to where the template or the tokenizer writes
them otherwise (a reply that was stripped, say). The keys and values of that common beginning stay, those behind it go,
and only the rest is computed.
"""

import inspect
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer


@dataclass(frozen=True)
class Past:
    """Keys and values of a batch, and what they are of.

    Attributes:
        cache: of full attention, (rows, heads, slots, size) in each layer.
        ids: the token behind each slot, (rows, slots).
        mask: 1 where a slot is part of its row's conversation, (rows, slots).
    """

    cache: DynamicCache
    ids: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Continuation:
    """What `generate` goes on with.

    Attributes:
        cache: what every row shares with its past, each row's ending in the last slot.
        ids: tokens of the cache's slots, and behind them the new ones, padded on the left, (rows, slots + new).
        mask: 1 where there is a token, likewise.
    """

    cache: DynamicCache
    ids: Tensor
    mask: Tensor


def past_of(model: PreTrainedModel, generated: Any, mask: Tensor, stops: Collection[int]) -> Past | None:
    """What `generate` left, or None where the next turn has to be computed from its beginning.

    That is so for caches that drop or merge what they have seen (sliding windows, recurrent states), and for models
    whose positions are their slots, since slots without a token stay between a row's tokens.

    Args:
        model: that generated.
        generated: what `generate` returned, as a dictionary.
        mask: of its prompts, (rows, prompt).
        stops: the tokens that end a turn; what a row has behind its first one is padding.
    """
    cache = getattr(generated, "past_key_values", None)
    if type(cache) is not DynamicCache or cache.offloading or not cache.layers:
        return None
    if any(type(layer) is not DynamicLayer or not layer.is_initialized for layer in cache.layers):
        return None
    if model.generation_config is not None and model.generation_config.cache_implementation is not None:
        return None  # `generate` takes no cache beside that
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return None
    ids = generated.sequences[:, : cache.get_seq_length()]  # the last token has been drawn and never read
    ended = torch.isin(ids[:, mask.shape[1] :], torch.tensor(sorted(stops), device=ids.device)).long()
    alive = (ended.cumsum(1) - ended == 0).to(mask.dtype)
    return Past(cache, ids, torch.cat([mask, alive], dim=1))


def continuation(past: Past, prompts: Sequence[Sequence[int]], pad: int) -> Continuation | None:
    """Keeps what the prompts share with their past, and puts the rest behind it; `past` is of no use afterwards.

    Args:
        past: of the same rows.
        prompts: the token ids of each row's whole conversation.
        pad: the token to pad with.

    Returns:
        None if no row shares anything.
    """
    slots = [row.nonzero().squeeze(1) for row in past.mask.cpu()]
    seen = [row[where].tolist() for row, where in zip(past.ids.cpu(), slots, strict=True)]
    # The last token is always computed again: its logits are wanted.
    shared = [min(_common(*pair), len(pair[1]) - 1) for pair in zip(seen, prompts, strict=True)]
    kept = max(shared)
    if kept == 0:
        return None
    index = torch.zeros(len(prompts), kept, dtype=torch.int64)
    for row, (where, length) in enumerate(zip(slots, shared, strict=True)):
        index[row, kept - length :] = where[:length]
    _select(past.cache, index)
    rest = [list(prompt[length:]) for prompt, length in zip(prompts, shared, strict=True)]
    before = [list(prompt[:length]) for prompt, length in zip(prompts, shared, strict=True)]
    old_ids, old_mask = padded(before, pad)
    new_ids, new_mask = padded(rest, pad)
    return Continuation(past.cache, torch.cat([old_ids, new_ids], dim=1), torch.cat([old_mask, new_mask], dim=1))


def padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """The rows padded on the left, and 1 where there is a token; both (rows, longest)."""
    width = max(map(len, rows))
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def _common(seen: Sequence[int], prompt: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = zip(seen, prompt, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(seen), len(prompt)))


def _select(cache: DynamicCache, index: Tensor) -> None:
    """Gives each row the slots of the index, (rows, slots), layer by layer."""
    for layer in cache.layers:
        assert isinstance(layer, DynamicLayer), "past_of has looked"
        assert layer.keys is not None, "it is initialized"
        assert layer.values is not None, "it is initialized"
        layer.keys, layer.values = _picked(layer.keys, index), _picked(layer.values, index)


def _picked(states: Tensor, index: Tensor) -> Tensor:
    _, heads, _, size = states.shape
    return states.gather(2, index.to(states.device)[:, None, :, None].expand(-1, heads, -1, size))
