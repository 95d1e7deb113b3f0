"""The ranks of a fit as an evaluation needs them: on the CPU, beside training's collectives, never waiting for ever.

Every method is to be called by every rank, in the same order.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch

from skillmix_lightning.errors import InputError

_T = TypeVar("_T")


class Ranks:
    """This rank among the others; one alone where nothing is distributed.

    Args:
        timeout: after which a rank that never comes ends the fit.
    """

    def __init__(self, timeout: timedelta) -> None:
        self.rank, self.size = 0, 1
        self._group: Any = None
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            self.rank, self.size = torch.distributed.get_rank(), torch.distributed.get_world_size()
            # On the CPU: asking an accelerator would make it finish its work first.
            self._group = torch.distributed.new_group(backend="gloo", timeout=timeout)

    def total(self, number: int) -> int:
        """The sum over all ranks."""
        value = torch.tensor(number)
        if self._group is not None:
            torch.distributed.all_reduce(value, group=self._group)
        return int(value)

    def least(self, number: float) -> float:
        """The smallest over all ranks."""
        value = torch.tensor(number, dtype=torch.float64)
        if self._group is not None:
            torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MIN, group=self._group)
        return float(value)

    def where(self, flag: bool) -> tuple[int, ...]:
        """The ranks that raise their flag; of a fixed size, so that a rank can take part whatever has become of it."""
        flags = torch.zeros(self.size, dtype=torch.int64)
        flags[self.rank] = int(flag)
        if self._group is not None:
            torch.distributed.all_reduce(flags, group=self._group)
        return tuple(rank for rank in range(self.size) if flags[rank])

    def gathered(self, item: _T) -> list[_T]:
        """The items of all ranks, by rank."""
        items: list[Any] = [item] * self.size
        if self._group is not None:
            torch.distributed.all_gather_object(items, item, group=self._group)
        return items

    def from_zero(self, make: Callable[[], _T]) -> _T:
        """What rank 0 makes, on every rank; what it raises, every rank raises.

        Raises:
            Exception: what rank 0 raised; on other ranks an `InputError` if it was one, else a RuntimeError.
        """
        made: tuple[Any, str, bool] = (None, "", False)
        error: Exception | None = None
        if self.rank == 0:
            try:
                made = (make(), "", False)
            except Exception as raised:
                error = raised
                made = (None, f"rank 0: {raised!r}", isinstance(raised, InputError))
        if self._group is not None:
            box: list[Any] = [made]
            torch.distributed.broadcast_object_list(box, src=0, group=self._group)
            made = box[0]
        if error is not None:
            raise error
        value, problem, is_input = made
        if problem:
            raise InputError(problem) if is_input else RuntimeError(problem)
        result: _T = value
        return result
