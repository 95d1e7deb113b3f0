"""Optimizer steps of exactly `global_batch_size` examples, shared out to ranks and cut into micro-batches.

Every rank computes the whole step's shares from the same examples, so that all ranks agree on the number of
micro-batches without a word between them. How a step is cut changes speed and memory, never the loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor

from skillmix_lightning.data.encoding import Example
from skillmix_lightning.data.order import StepSampler
from skillmix_lightning.data.sharing import Layout, balanced, cut

__all__ = ["IGNORE", "Layout", "MicroBatch", "StepBatch", "StepCollator", "StepSampler", "lay_end_to_end", "pad_right"]

#: Label of a position without a loss, as torch's cross entropy takes it.
IGNORE = -100


class MicroBatch(TypedDict):
    """Some examples of a step, in one forward pass.

    "padded": a row per example, padded on the right. Attention is causal and needs no mask: no token sees the padding
    behind it. "padding_free": one row, the examples end to end; the model keeps them apart by `position_ids`.

    Attributes:
        input_ids: (rows, tokens), int64.
        labels: the token to predict at each position, already shifted: the next id of the same example where that is
            a target, -100 elsewhere; (rows, tokens), int64.
        position_ids: restart at 0 with every example, and count on through padding; (rows, tokens), int64.
        examples: which example of this micro-batch a token belongs to, -1 for padding; (rows, tokens), int64.
        weights: of the examples' target tokens in the loss; (examples,), float32.
    """

    input_ids: Tensor
    labels: Tensor
    position_ids: Tensor
    examples: Tensor
    weights: Tensor


class StepBatch(TypedDict):
    """One rank's share of one optimizer step.

    Attributes:
        micro_batches: this rank's; every rank has the same number. A rank with fewer examples than micro-batches
            repeats a short example without labels.
        step_weight: sum of the weights of all target tokens of the whole step, over all ranks; float32 scalar.
        step_targets: target tokens of the whole step, over all ranks; int64 scalar.
        step_tokens: real tokens (no padding, no repeats) of the whole step, over all ranks; int64 scalar.
        sources: for every micro-batch, (source, k) of its examples; k is None where the source has none.
    """

    micro_batches: list[MicroBatch]
    step_weight: Tensor
    step_targets: Tensor
    step_tokens: Tensor
    sources: list[list[tuple[str, int | None]]]


@dataclass(frozen=True)
class StepCollator:
    """Cuts the examples of a step into this rank's micro-batches.

    Attributes:
        micro_batch_size: examples per micro-batch at most, unless `micro_batch_tokens` rules.
        rank: this process.
        world_size: processes.
        pad_id: any token id; padding has no loss and is seen by no token.
        layout: of the micro-batches.
        micro_batch_tokens: tokens per micro-batch at most, padding counted; at least the longest example's.
    """

    micro_batch_size: int
    rank: int = 0
    world_size: int = 1
    pad_id: int = 0
    layout: Layout = "padded"
    micro_batch_tokens: int | None = None

    def __call__(self, step: Sequence[Example]) -> StepBatch:
        """This rank's share of the step."""
        groups = self.shares(step)[self.rank]
        lay_out = self._lay_out
        shortest = min(step, key=len)
        return {
            "micro_batches": [lay_out(group) if group else _without_labels(lay_out([shortest])) for group in groups],
            "step_weight": torch.tensor(sum(e.weight * e.target_count for e in step), dtype=torch.float32),
            "step_targets": torch.tensor(sum(e.target_count for e in step)),
            "step_tokens": torch.tensor(sum(map(len, step))),
            "sources": [[(e.source, e.k) for e in group or [shortest]] for group in groups],
        }

    def shares(self, step: Sequence[Example]) -> list[list[list[Example]]]:
        """The examples by rank and micro-batch; all ranks have as many micro-batches, the last of them maybe empty.

        Ranks get about equal numbers of tokens. Limited by examples, they also get equal numbers of examples, give or
        take one, as the number of micro-batches is that of the rank with the most.
        """
        by_rank = balanced(step, self.world_size, equal_counts=self.micro_batch_tokens is None)
        return cut(by_rank, self.layout, self.micro_batch_size, self.micro_batch_tokens)

    def _lay_out(self, examples: Sequence[Example]) -> MicroBatch:
        return pad_right(examples, self.pad_id) if self.layout == "padded" else lay_end_to_end(examples)


def pad_right(examples: Sequence[Example], pad_id: int) -> MicroBatch:
    """Lays examples out as rows."""
    width = max(map(len, examples))
    input_ids = torch.full((len(examples), width), pad_id)
    labels = torch.full((len(examples), width), IGNORE)
    owners = torch.full((len(examples), width), -1)
    for row, example in enumerate(examples):
        input_ids[row, : len(example)] = torch.tensor(example.input_ids)
        labels[row, : len(example)] = _labels(example)
        owners[row, : len(example)] = row
    return {
        "input_ids": input_ids,
        "labels": labels,
        "position_ids": torch.arange(width).repeat(len(examples), 1),
        "examples": owners,
        "weights": _weights(examples),
    }


def lay_end_to_end(examples: Sequence[Example]) -> MicroBatch:
    """Lays examples out in one row, without padding."""
    lengths = torch.tensor([len(example) for example in examples])
    return {
        "input_ids": torch.tensor([[token for example in examples for token in example.input_ids]]),
        "labels": torch.cat([_labels(example) for example in examples])[None],
        "position_ids": torch.cat([torch.arange(len(example)) for example in examples])[None],
        "examples": torch.arange(len(examples)).repeat_interleave(lengths)[None],
        "weights": _weights(examples),
    }


def _labels(example: Example) -> Tensor:
    """The token to predict at each position; the last has none, whatever stands behind it."""
    labels = torch.full((len(example),), IGNORE)
    ids, targets = torch.tensor(example.input_ids), torch.tensor(example.targets)
    labels[:-1] = torch.where(targets[1:], ids[1:], IGNORE)
    return labels


def _weights(examples: Sequence[Example]) -> Tensor:
    return torch.tensor([example.weight for example in examples], dtype=torch.float32)


def _without_labels(micro_batch: MicroBatch) -> MicroBatch:
    return {**micro_batch, "labels": torch.full_like(micro_batch["labels"], IGNORE)}
