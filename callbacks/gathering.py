"""Forward passes of a model whose weights are sharded over ranks, for ranks that each have their own texts to write.

Either every rank holds the whole weights for a while, and goes its own way; or every forward pass of one rank is one of
all ranks, since each gathers its blocks from all. Both end with the weights sharded and FSDP2 as it was.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel

from skillmix_lightning.callbacks.forward_passes import forget_forward_passes
from skillmix_lightning.callbacks.ranks import Ranks
from skillmix_lightning.students.memory import SHARE_OF_FREE_MEMORY, cache_bytes_per_token, free_memory

#: Whether whole weights are gathered on every rank while texts are written. `auto`: where free memory allows it.
Gather = Literal["auto", "always", "never"]


def is_sharded(model: nn.Module) -> bool:
    """Whether FSDP2 shards the model."""
    return isinstance(model, FSDPModule)


def should_gather(
    model: PreTrainedModel, gather: Gather, ranks: Ranks, local_ranks: int, dtype: torch.dtype, cached_tokens: int
) -> bool:
    """Whether the whole weights are to be gathered; the same on every rank.

    Args:
        model: sharded.
        gather: the setting.
        ranks: all of them decide.
        local_ranks: how many share a machine's memory.
        dtype: of gathered weights.
        cached_tokens: how many tokens' keys and values will be in memory at once.
    """
    if gather != "auto":
        return gather == "always"
    weights = sum(parameter.numel() for parameter in model.parameters()) * dtype.itemsize
    needed = weights + cached_tokens * cache_bytes_per_token(model, dtype)
    return ranks.least(free_memory(model.device, local_ranks) * SHARE_OF_FREE_MEMORY - needed) > 0


@contextmanager
def whole_weights(model: PreTrainedModel, reshard_after_forward: bool) -> Iterator[Callable[[], None]]:
    """Every rank holds all weights while the body runs, so that nobody waits for anybody; every rank must enter it.

    Yields what `in_step` yields; here there is nothing to take part in.

    Args:
        model: sharded.
        reshard_after_forward: as the blocks were sharded; put back afterwards.
    """
    with _put_back(model, reshard_after_forward) as root:
        root.set_reshard_after_forward(False)
        _forward_one_token(model)  # gathers everything, and nothing lets go of it again
        yield lambda: None


@contextmanager
def in_step(model: PreTrainedModel, reshard_after_forward: bool, ranks: Ranks) -> Iterator[Callable[[], None]]:
    """Every forward pass of one rank is one of all ranks while the body runs; every rank must enter it.

    A rank that has nothing left to compute, or whose work raised, must call what this yields: it takes part in the
    others' passes until all ranks have called it. Each pass begins with a number from every rank, 1 if it computes, so
    ranks need not have the same number of batches, turns or tokens.

    Args:
        model: sharded.
        reshard_after_forward: as the blocks were sharded; put back afterwards.
        ranks: all of them.
    """
    parts = [part for part in model.modules() if isinstance(part, FSDPModule)]  # in the order of their forward passes
    gathered = 0
    within_pass = False
    computing = True

    def announce(module: nn.Module, args: Any) -> None:
        nonlocal gathered, within_pass
        gathered = 0
        if computing:
            ranks.total(1)
            within_pass = True

    def count(module: nn.Module, args: Any) -> None:
        nonlocal gathered
        gathered += 1

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        nonlocal within_pass
        within_pass = False

    def accompany() -> None:
        nonlocal computing
        computing = False
        if within_pass:  # the work raised in the middle of a pass, and the others are still in it
            _gather_and_free(parts[gathered:])
            forget_forward_passes(parts[0])
        while ranks.total(0):
            _forward_one_token(model)

    with _put_back(model, reshard_after_forward) as root:
        root.set_reshard_after_forward(True)  # so that a pass gathers the same on every rank, whatever came before it
        _forward_one_token(model)
        # Before FSDP2 gathers the root's weights, and after each part has been gathered.
        hooks = [model.register_forward_pre_hook(announce, prepend=True), model.register_forward_hook(leave)]
        hooks += [part.register_forward_pre_hook(count) for part in parts if isinstance(part, nn.Module)]
        try:
            yield accompany
        finally:
            for hook in hooks:
                hook.remove()


@contextmanager
def _put_back(model: nn.Module, reshard_after_forward: bool) -> Iterator[FSDPModule]:
    assert isinstance(model, FSDPModule), "sharded"
    try:
        yield model
    finally:
        model.set_reshard_after_forward(reshard_after_forward)
        model.set_reshard_after_forward(False, recurse=False)  # the root's weights are needed first in the next pass
        forget_forward_passes(model)


def _gather_and_free(parts: Sequence[FSDPModule]) -> None:
    for part in parts:
        part.unshard()
        part.reshard()


def _forward_one_token(model: PreTrainedModel) -> None:
    with torch.no_grad():
        model(input_ids=torch.zeros(1, 1, dtype=torch.int64, device=model.device), use_cache=False)
