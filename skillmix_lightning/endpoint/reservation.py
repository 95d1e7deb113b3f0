"""Amounts of money and tokens, and the room that one call holds in a budget until it ends."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from skillmix_lightning.endpoint.budget import Budget

PICO = 10**12


class Amount(NamedTuple):
    """Dollars in whole picodollars, so that sums are exact (a token's price is a whole number of them), and tokens."""

    usd: int
    tokens: int

    def plus(self, other: "Amount") -> "Amount":
        """The sum of two."""
        return Amount(self.usd + other.usd, self.tokens + other.tokens)

    def minus(self, other: "Amount") -> "Amount":
        """Their difference."""
        return Amount(self.usd - other.usd, self.tokens - other.tokens)


class Reservation:
    """The room one call holds in a budget until it ends, in exactly one of `settle`, `settle_lost` and `release`.

    Attributes:
        batch: whether the call goes through the Batch API.
        model: the name that is asked for.
        prompt_tokens: at most.
        completion_tokens: at most.
        usd: what the call can cost at most; 0.0 if the model's price is unknown.
    """

    def __init__(
        self, budget: "Budget", model: str, prompt_tokens: int, completion_tokens: int, batch: bool = False
    ) -> None:
        self.model = model
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        price = budget.prices.of(model)
        self.usd = 0.0 if price is None else price.cost_at_most(prompt_tokens, completion_tokens, batch)
        self.batch = batch
        self._budget = budget
        self._open = True

    @property
    def tokens(self) -> int:
        """How many tokens the call can take at most."""
        return self.prompt_tokens + self.completion_tokens

    def settle(self, usage: Mapping[str, Any], model: str = "") -> float:
        """Counts what the call has taken. A server that bills more than was possible is counted, and stops the budget.

        Args:
            usage: as in `Price.cost`. What the server does not count is taken to be the most it can be.
            model: the model that answered, which may be a dated one with a price of its own.

        Returns:
            The call's cost in dollars; 0.0 if the model's price is unknown.
        """
        most = {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}
        counted = {**usage, **{name: at_most for name, at_most in most.items() if usage.get(name) is None}}
        prices = self._budget.prices
        price = prices.of(model) or prices.of(self.model)
        cost = 0.0 if price is None else price.cost(counted, self.batch)
        taken = Amount(picodollars(cost), sum(counted[name] for name in most))
        self._close(taken, any(counted[name] > at_most for name, at_most in most.items()))
        return cost

    def settle_lost(self) -> float:
        """Counts a call that was sent and whose reply was lost at the most it can cost, since it may be billed.

        Returns:
            That cost in dollars.
        """
        self._close(self.amount)
        return self.usd

    def release(self) -> None:
        """Gives everything back: the call was never sent, or the server refused it."""
        self._close(Amount(0, 0))

    @property
    def amount(self) -> Amount:
        """Both in the budget's own units."""
        return Amount(picodollars(self.usd), self.tokens)

    def _close(self, taken: Amount, beyond: bool = False) -> None:
        assert self._open, "a reservation ends once"
        self._open = False
        self._budget._ended(self, taken, beyond)


def picodollars(usd: float) -> int:
    """Dollars in an amount's unit."""
    return round(usd * PICO)
