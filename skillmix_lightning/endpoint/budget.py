"""The budget of a command: what was spent, what calls under way may still cost, and the cap that is never passed.

A call takes the most it can cost out of the budget before it is sent (`Budget.reserve`), and gives back what it did not
use once its usage is known (`Reservation.settle`). So what is spent and what may be are never more than the cap.
"""

import asyncio
import math
import threading
from collections import deque

from skillmix_lightning.endpoint.prices import Prices
from skillmix_lightning.endpoint.reservation import PICO, Amount, Reservation, picodollars
from skillmix_lightning.endpoint.watermark import Note, Watermark
from skillmix_lightning.errors import InputError, Stopped, raise_all

__all__ = ["Budget", "BudgetReached", "Stopped", "dollars", "projected"]


class BudgetReached(Stopped):
    """The next call could pass the budget."""


class Budget:
    """Counts what the calls of a command cost, and stops them before a cap is passed. Threads and tasks may share it.

    Args:
        usd: the cap in dollars, None for no cap.
        tokens: the cap in tokens, of prompts and completions together, None for no cap.
        prices: of the models; the price of one that is not there matters only under a cap in dollars.
        already_usd: what the run spent before, from its records; it counts.
        already_tokens: likewise.
        options: the names of the two caps, for messages.

    Raises:
        InputError: a cap is no number from 0 up.
    """

    def __init__(
        self,
        usd: float | None,
        tokens: int | None,
        prices: Prices,
        already_usd: float = 0.0,
        already_tokens: int = 0,
        options: tuple[str, str] = ("--budget_usd", "--budget_tokens"),
    ) -> None:
        caps = dict(zip(options, (usd, tokens), strict=True))
        raise_all(
            "the budget",
            [
                f"{name} is {cap}, and must be a number from 0 up"
                for name, cap in caps.items()
                if cap is not None and not 0 <= cap < math.inf
            ],
        )
        self.usd = usd
        self.tokens = tokens
        self.prices = prices
        self.options = options
        self._spent = Amount(picodollars(already_usd), already_tokens)
        self._reserved = Amount(0, 0)
        self._of_batches = Amount(0, 0)
        self._under_way = 0
        self._watermark: Watermark | None = None
        self._stopped = ""
        self._guard = threading.Lock()
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    @property
    def spent_usd(self) -> float:
        """What ended calls have cost, in dollars; those of models without a price count nothing."""
        return self._spent.usd / PICO

    @property
    def spent_tokens(self) -> int:
        """What ended calls have taken, in tokens."""
        return self._spent.tokens

    @property
    def capped(self) -> bool:
        """Whether there is a cap at all."""
        return self.usd is not None or self.tokens is not None

    @property
    def is_spending(self) -> bool:
        """Whether calls are under way; those of batches, which leave a record of their own, are left aside."""
        return self._under_way > 0

    def note_ahead(self, write: Note) -> None:
        """Has what calls may cost noted before they are sent, but for batches.

        Args:
            write: makes the note of what is spent and may be. A call is not sent where it raises.
        """
        self._watermark = Watermark(write, None if self.usd is None else math.floor(self.usd * PICO), self.tokens)

    def forget_note(self) -> None:
        """Has the next call noted anew: the note is gone."""
        if self._watermark is not None:
            self._watermark.forget()

    def check(self, model: str, completion_tokens_at_most: int | None) -> None:
        """Finds out whether calls like this can be counted at all; best asked before the first one.

        Raises:
            InputError: under a cap, a call has no limit, or, under one in dollars, its model has no price.
        """
        if self.usd is not None and self.prices.of(model) is None:
            raise InputError(
                f"{self.options[0]} {self.usd:g}: no price is known for the model {model}; "
                f'give a file with "{model}: {{input: …, output: …}}" (dollars per million tokens) as --prices'
            )
        if self.capped and completion_tokens_at_most is None:
            raise InputError("a budget can only be kept if every reply has a limit; set max_tokens")

    def reserve(
        self, model: str, prompt_tokens_at_most: int, completion_tokens_at_most: int | None, batch: bool = False
    ) -> Reservation:
        """Takes the most a call can cost out of the budget, at once.

        Args:
            model: the name that will be asked for.
            prompt_tokens_at_most: from `tokens_at_most`.
            completion_tokens_at_most: likewise; None only without a cap.
            batch: whether it goes through the Batch API, at its price.

        Raises:
            BudgetReached: there is no room for it beside the calls under way.
            InputError: as in `check`.
            OSError: it cannot be noted (`note_ahead`).
        """
        with self._guard:
            reservation = self._tried(model, prompt_tokens_at_most, completion_tokens_at_most, batch)
            if isinstance(reservation, BudgetReached):
                raise reservation
            return reservation

    async def reserve_soon(
        self, model: str, prompt_tokens_at_most: int, completion_tokens_at_most: int | None, batch: bool = False
    ) -> Reservation:
        """The same, but waits while calls under way hold the room: most of them will cost far less than they could.

        Calls wait in line, so that near the cap fewer and fewer are under way, and the budget is used to its end.

        Raises:
            BudgetReached: there would be no room for it even if all calls under way cost nothing.
            InputError: as in `check`.
            OSError: it cannot be noted (`note_ahead`).
        """
        loop, woken = asyncio.get_running_loop(), False
        while True:
            with self._guard:
                if woken or not self._waiting:
                    try:
                        reservation = self._tried(model, prompt_tokens_at_most, completion_tokens_at_most, batch)
                    except Exception:
                        self._wake_next()
                        raise
                    if isinstance(reservation, Reservation):
                        self._wake_next()
                        return reservation
                waiter = (loop, loop.create_future())
                if woken:
                    self._waiting.appendleft(waiter)
                else:
                    self._waiting.append(waiter)
            try:
                await waiter[1]
            except asyncio.CancelledError:
                with self._guard:
                    if waiter in self._waiting:
                        self._waiting.remove(waiter)
                    else:
                        self._wake_next()
                raise
            woken = True

    def _tried(self, model: str, prompt: int, completion: int | None, batch: bool) -> Reservation | BudgetReached:
        """A reservation; or, returned, why there is no room while calls are under way; or, raised, why never."""
        self.check(model, completion)
        if self._stopped:
            raise BudgetReached(self._stopped)
        reservation = Reservation(self, model, prompt, completion or 0, batch)
        alone = self._spent.plus(reservation.amount)
        if reason := self._beyond(alone, reservation):
            raise BudgetReached(reason)
        if reason := self._beyond(alone.plus(self._reserved), reservation):
            return BudgetReached(reason)
        self._take(reservation)
        return reservation

    def _take(self, reservation: Reservation) -> None:
        amount = reservation.amount
        if reservation.batch:
            self._of_batches = self._of_batches.plus(amount)
        else:
            if self._watermark is not None:
                at_most = self._spent.plus(self._reserved).minus(self._of_batches).plus(amount)
                self._watermark.cover(at_most, amount)
            self._under_way += 1
        self._reserved = self._reserved.plus(amount)

    def _give_back(self, reservation: Reservation, taken: Amount) -> None:
        if reservation.batch:
            self._of_batches = self._of_batches.minus(reservation.amount).plus(taken)
        else:
            self._under_way -= 1
        self._reserved = self._reserved.minus(reservation.amount)
        self._spent = self._spent.plus(taken)

    def _beyond(self, amount: Amount, reservation: Reservation) -> str:
        """Why an amount is more than the caps allow; empty if it is not."""
        again = "and run the same command again to go on"
        if self.usd is not None and amount.usd > math.floor(self.usd * PICO):
            under_way = self._reserved.usd / PICO
            beside = f", calls under way up to {dollars(under_way)}" if under_way else ""
            return (
                f"the budget of {dollars(self.usd)} is reached: {dollars(self.spent_usd)} is spent{beside}, "
                f"and the next call can cost up to {dollars(reservation.usd)}; raise {self.options[0]} {again}"
            )
        if self.tokens is not None and amount.tokens > self.tokens:
            beside = f", calls under way up to {self._reserved.tokens:,}" if self._reserved.tokens else ""
            return (
                f"the budget of {self.tokens:,} tokens is reached: {self.spent_tokens:,} are spent{beside}, "
                f"and the next call can take up to {reservation.tokens:,}; raise {self.options[1]} {again}"
            )
        return ""

    def _ended(self, reservation: Reservation, taken: Amount, beyond: bool) -> None:
        with self._guard:
            self._give_back(reservation, taken)
            if self.capped and (beyond or taken.usd > reservation.amount.usd):
                self._stopped = (
                    f"a call of {reservation.model} was billed {taken.tokens:,} tokens, {dollars(taken.usd / PICO)}, "
                    f"where at most {reservation.tokens:,}, {dollars(reservation.usd)}, were possible: "
                    "no budget can be kept with this server; check its usage and the prices, or leave the budget out"
                )
            self._wake_next()

    def _wake_next(self) -> None:
        while self._waiting:
            loop, future = self._waiting.popleft()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake, future)
                return


def dollars(usd: float) -> str:
    """An amount for people: cents from a dollar up, four decimals below."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def projected(spent_usd: float, done: int, total: int, before_usd: float = 0.0) -> float | None:
    """What a stage will have cost at its end if the rest costs as much each as what is done; None before the first.

    Args:
        spent_usd: so far.
        done: how many items that was for.
        total: how many there are.
        before_usd: the part of `spent_usd` that was not for these items, such as an earlier stage's.
    """
    return before_usd + (spent_usd - before_usd) * total / done if done else None


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
