"""Which example stands at which position of the endless stream that a fit reads.

The answer is a function of (seed, epoch, position) alone, so position p is the same example on any number of ranks and
after any restart, and a step never ends short at the end of an epoch. Where pre-training text is mixed in, the position
alone also decides whose turn it is.
"""

from collections.abc import Iterator
from fractions import Fraction

import torch
from torch import Tensor
from torch.utils.data import Sampler


class Shuffled:
    """An endless stream over `count` items: pass after pass, each in an order of its own.

    Args:
        count: of items.
        seed: of the orders.
        salt: tells apart streams of one seed.
    """

    def __init__(self, count: int, seed: int, salt: int = 0) -> None:
        self.count = count
        self.seed = seed
        self.salt = salt
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def __getitem__(self, position: int) -> int:
        epoch, place = divmod(position, self.count)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffle(epoch)
        return int(self._order[place])

    def _shuffle(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed((self.salt << 52) + (self.seed << 20) + epoch)
        return torch.randperm(self.count, generator=generator)


class StepSampler(Sampler[list[int]]):
    """Yields the example indices of each optimizer step, without end.

    Args:
        examples: how many there are.
        global_batch_size: indices per step.
        seed: of the order.
        first_step: where to begin; a resumed fit begins at the steps it has done.
        pieces: of pre-training text; piece i has index `examples` + i.
        ratio: share of the positions that pre-training text takes: of the first p positions, floor(p x ratio), so it
            is exact in the long run, and within one example in every step.
    """

    def __init__(
        self,
        examples: int,
        global_batch_size: int,
        seed: int,
        first_step: int = 0,
        pieces: int = 0,
        ratio: float = 0.0,
    ) -> None:
        self.examples = examples
        self.global_batch_size = global_batch_size
        self.first_step = first_step
        # A decimal as it was written: 0.1 is a tenth, not the binary fraction nearest to it.
        self.ratio = Fraction(str(ratio)) if pieces else Fraction(0)
        self.texts = Shuffled(examples, seed)
        self.pretraining = Shuffled(pieces, seed, salt=1)

    def __iter__(self) -> Iterator[list[int]]:
        position = self.first_step * self.global_batch_size
        while True:
            yield [self.at(p) for p in range(position, position + self.global_batch_size)]
            position += self.global_batch_size

    def at(self, position: int) -> int:
        """The index of the example at a position of the stream."""
        before = int(position * self.ratio)
        if int((position + 1) * self.ratio) > before:
            return self.examples + self.pretraining[before]
        return self.texts[position - before]
