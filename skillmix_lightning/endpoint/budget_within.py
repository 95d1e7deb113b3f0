"""A budget within another, such as one evaluation's within its fit's: a call needs room in both."""

from skillmix_lightning.endpoint.budget import Budget, BudgetReached
from skillmix_lightning.endpoint.reservation import Amount, Reservation


class BudgetWithin(Budget):
    """Counts and caps some of the calls that a whole budget counts and caps.

    While calls wait for room (`reserve_soon`), all calls of the whole must go through this budget: it is told of no
    others that end.

    Args:
        whole: the budget that this one is a part of; its prices hold.
        usd: the cap in dollars, None for no cap but the whole's.
        tokens: likewise in tokens.
        already_usd: what counts as spent within this cap; the whole counts it by itself.
        already_tokens: likewise.
        options: the names of the two caps, for messages.

    Raises:
        InputError: a cap is no number from 0 up.
    """

    def __init__(
        self,
        whole: Budget,
        usd: float | None,
        tokens: int | None,
        already_usd: float = 0.0,
        already_tokens: int = 0,
        options: tuple[str, str] = ("--budget_usd", "--budget_tokens"),
    ) -> None:
        super().__init__(usd, tokens, whole.prices, already_usd, already_tokens, options)
        self.whole = whole
        self._outer: dict[Reservation, Reservation] = {}

    def _tried(self, model: str, prompt: int, completion: int | None, batch: bool) -> Reservation | BudgetReached:
        inner = super()._tried(model, prompt, completion, batch)
        if isinstance(inner, BudgetReached):
            return inner
        try:
            with self.whole._guard:
                outer = self.whole._tried(model, prompt, completion, batch)
        except BaseException:
            self._give_back(inner, Amount(0, 0))
            raise
        if isinstance(outer, BudgetReached):
            self._give_back(inner, Amount(0, 0))
            return outer
        self._outer[inner] = outer
        return inner

    def _ended(self, reservation: Reservation, taken: Amount, beyond: bool) -> None:
        self._outer.pop(reservation)._close(taken, beyond)  # first: whoever is woken by this budget needs both rooms
        super()._ended(reservation, taken, beyond)
