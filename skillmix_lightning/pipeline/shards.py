"""A plan in parts: `--shard 2/8` is the second of eight, for eight jobs that write side by side (a SLURM array)."""

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from skillmix_lightning.errors import InputError

_T = TypeVar("_T")
_FORM = re.compile(r"([1-9]\d*)/([1-9]\d*)")


class Shard(NamedTuple):
    """One of several equal parts of a plan.

    Attributes:
        number: from 1.
        of: how many there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str | None) -> "Shard":
        """Reads "2/8"; None is the whole, 1/1.

        Raises:
            InputError: it is no such pair.
        """
        if text is None:
            return cls(1, 1)
        found = _FORM.fullmatch(text)
        shard = cls(*map(int, found.groups())) if found else cls(1, 0)
        if shard.number > shard.of:
            raise InputError(f"--shard {text}: give the part's number and how many there are, from 1/8 to 8/8")
        return shard

    def part(self, items: Sequence[_T]) -> Sequence[_T]:
        """Every `of`th item, so that all shards have as much to do of each split and k."""
        return items[self.number - 1 :: self.of]

    def share(self, count: int) -> int:
        """How many of `count` things fall to this shard."""
        return len(range(self.number - 1, count, self.of))
