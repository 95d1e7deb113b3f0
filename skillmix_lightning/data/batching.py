"""Optimizer steps of exactly `global_batch_size` examples, cut into micro-batches of similar length.

The order is a function of (seed, epoch, position) alone: position p of the endless stream is the same example on any
number of ranks and after any restart, and a step never ends short at the end of an epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor
from torch.utils.data import Sampler

from skillmix_lightning.data.encoding import Example

#: Label of a position without a loss, as torch's cross entropy takes it.
IGNORE = -100


class MicroBatch(TypedDict):
    """Examples of similar length, padded on the right.

    Attention needs no mask: it is causal, so no token sees the padding behind it, and no row sees another.

    Attributes:
        input_ids: (examples, tokens), int64.
        labels: the token to predict at each position, already shifted: labels[:, t] is input_ids[:, t + 1] or -100;
            (examples, tokens), int64.
    """

    input_ids: Tensor
    labels: Tensor


class StepBatch(TypedDict):
    """One rank's share of one optimizer step.

    Attributes:
        micro_batches: this rank's; every rank has the same number.
        step_targets: target tokens of the whole step, over all ranks; int64 scalar.
        step_tokens: real tokens (no padding) of the whole step, over all ranks; int64 scalar.
    """

    micro_batches: list[MicroBatch]
    step_targets: Tensor
    step_tokens: Tensor


class StepSampler(Sampler[list[int]]):
    """Yields the example indices of each optimizer step, without end.

    Args:
        examples: how many there are.
        global_batch_size: indices per step.
        seed: of the order.
        first_step: where to begin; a resumed fit begins at the steps it has done.
    """

    def __init__(self, examples: int, global_batch_size: int, seed: int, first_step: int = 0) -> None:
        self.examples = examples
        self.global_batch_size = global_batch_size
        self.seed = seed
        self.first_step = first_step

    def __iter__(self) -> Iterator[list[int]]:
        epoch = -1
        order: list[int] = []
        position = self.first_step * self.global_batch_size
        while True:
            step = []
            for p in range(position, position + self.global_batch_size):
                if p // self.examples != epoch:
                    epoch = p // self.examples
                    order = _epoch_order(self.examples, self.seed, epoch)
                step.append(order[p % self.examples])
            yield step
            position += self.global_batch_size


@dataclass(frozen=True)
class StepCollator:
    """Cuts the examples of a step into this rank's micro-batches.

    Attributes:
        micro_batch_size: examples per micro-batch at most.
        rank: this process.
        world_size: processes.
        pad_id: any token id; padding has no loss and is seen by no token.
    """

    micro_batch_size: int
    rank: int = 0
    world_size: int = 1
    pad_id: int = 0

    def __call__(self, step: Sequence[Example]) -> StepBatch:
        """Longest first, dealt out to the ranks in turn, so that their loads are close."""
        longest_first = sorted(step, key=len, reverse=True)
        mine = longest_first[self.rank :: self.world_size]
        share = -(-len(step) // self.world_size)
        count = -(-share // self.micro_batch_size)
        micro_batches = [pad_right(group, self.pad_id) for group in _split_evenly(mine, count) if group]
        while len(micro_batches) < count:  # all ranks must do the same number, or collectives wait for ever
            micro_batches.append(_without_loss(micro_batches[-1]))
        return {
            "micro_batches": micro_batches,
            "step_targets": torch.tensor(sum(example.target_count for example in step)),
            "step_tokens": torch.tensor(sum(len(example) for example in step)),
        }


def pad_right(examples: Sequence[Example], pad_id: int) -> MicroBatch:
    """Lays examples out as a micro-batch."""
    width = max(map(len, examples))
    input_ids = torch.full((len(examples), width), pad_id)
    labels = torch.full((len(examples), width), IGNORE)
    for row, example in enumerate(examples):
        ids = torch.tensor(example.input_ids)
        targets = torch.tensor(example.targets)
        input_ids[row, : len(example)] = ids
        labels[row, : len(example) - 1] = torch.where(targets[1:], ids[1:], IGNORE)
    return {"input_ids": input_ids, "labels": labels}


def _split_evenly(items: Sequence[Example], count: int) -> list[Sequence[Example]]:
    base, extra = divmod(len(items), count)
    groups, start = [], 0
    for i in range(count):
        size = base + (i < extra)
        groups.append(items[start : start + size])
        start += size
    return groups


def _without_loss(micro_batch: MicroBatch) -> MicroBatch:
    return {"input_ids": micro_batch["input_ids"], "labels": torch.full_like(micro_batch["labels"], IGNORE)}


def _epoch_order(examples: int, seed: int, epoch: int) -> list[int]:
    generator = torch.Generator().manual_seed((seed << 20) + epoch)
    order: list[int] = torch.randperm(examples, generator=generator).tolist()
    return order
