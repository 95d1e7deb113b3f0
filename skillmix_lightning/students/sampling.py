"""Sampling with random numbers of each text's own, so that no text depends on which others are in its batch."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor


class SampleRows(LogitsProcessor):
    """Draws each row's next token, by leaving no other a chance; for greedy decoding.

    The numbers come from the CPU's generator: the same on every device.

    Args:
        temperature: of the softmax, above 0.
        seeds: one for each row.
        steps: tokens to draw, at most.
    """

    def __init__(self, temperature: float, seeds: Sequence[int], steps: int) -> None:
        self.temperature = temperature
        rows = [torch.rand(steps, dtype=torch.float64, generator=torch.Generator().manual_seed(s)) for s in seeds]
        self.numbers = torch.stack(rows)
        self.step = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores, (rows, vocabulary), with all but the drawn token at minus infinity."""
        number = self.numbers[:, self.step, None].to(scores.device)
        self.step += 1
        up_to = (scores.double() / self.temperature).softmax(-1).cumsum(-1)
        drawn = torch.searchsorted(up_to, number * up_to[:, -1:], right=True).clamp(max=scores.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter(1, drawn, 0.0)


def hash_seed(*parts: object) -> int:
    """A 63-bit seed decided by the parts, the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8]) >> 1
