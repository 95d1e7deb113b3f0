"""Where requests wait until they may start: for a slot, their turn at the pace, the ceilings, a dead server.

The oldest call goes first, and they start one by one as the pace allows: a crowd that waits for the same event does not
start together.
"""

import asyncio
import heapq
import time
from dataclasses import dataclass, field

from skillmix_lightning.endpoint.breaker import Breaker
from skillmix_lightning.endpoint.ceilings import PerMinute
from skillmix_lightning.endpoint.limit import Limit, Ticket

READY = 8  # calls that may wait here before `room` holds further jobs back


@dataclass(order=True, slots=True)
class _Waiting:
    age: int
    tokens: int = field(compare=False)
    admitted: "asyncio.Future[Ticket]" = field(compare=False)


class Gate:
    """Lets requests start. Belongs to one event loop.

    Args:
        limit: what the server is found to accept.
        breaker: whether it is alive.
        requests: the ceiling of requests per minute, if there is one.
        tokens: likewise of tokens.
    """

    def __init__(
        self, limit: Limit, breaker: Breaker, requests: PerMinute | None = None, tokens: PerMinute | None = None
    ) -> None:
        self.limit = limit
        self.breaker = breaker
        self._requests = requests
        self._tokens = tokens
        self._waiting: list[_Waiting] = []
        self._room: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed: Exception | None = None

    async def enter(self, age: int, tokens: int) -> Ticket:
        """Waits until a request may start. Every ticket ends in exactly one of the limit's ends, followed by `turn`.

        Args:
            age: a call's number; of those that wait the lowest goes first.
            tokens: what the request may take of the ceiling of tokens.

        Raises:
            Stopped: the gate is closed.
        """
        if self._closed:
            raise self._closed
        waiting = _Waiting(age, tokens, asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiting, waiting)
        self.turn()
        try:
            return await waiting.admitted
        except asyncio.CancelledError:
            admitted = waiting.admitted
            if admitted.done() and not admitted.cancelled() and not admitted.exception():
                self.limit.failed(admitted.result())
                self.turn()
            raise

    def used(self, tokens: int) -> None:
        """Corrects what a request has taken of the ceiling of tokens, by the difference."""
        if self._tokens:
            self._tokens.use(tokens, time.monotonic())

    def close(self, error: Exception) -> None:
        """Lets nothing more in: all that wait, and all that come, get the error."""
        self._closed = error
        for waiting in self._waiting:
            if not waiting.admitted.done():
                waiting.admitted.set_exception(error)
        self._waiting.clear()
        self.turn()

    async def room(self) -> None:
        """Waits until so few wait here that another job should be started."""
        while len(self._waiting) >= READY and not self._closed:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def turn(self) -> None:
        """Lets in whom it can; to be called whenever a request has ended."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            if self._waiting[0].admitted.done():  # cancelled, and left to be found here: removing one looks at all
                heapq.heappop(self._waiting)
                continue
            now = time.monotonic()
            wait = self._wait(now, self._waiting[0].tokens)
            if wait is None:
                break
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self.turn)
                break
            waiting = heapq.heappop(self._waiting)
            if self._requests:
                self._requests.use(1, now)
            if self._tokens:
                self._tokens.use(waiting.tokens, now)
            waiting.admitted.set_result(self.limit.start(now))
        if self._room and not self._room.done() and len(self._waiting) < READY:
            self._room.set_result(None)

    def _wait(self, now: float, tokens: int) -> float | None:
        waits = [self.limit.wait(now), self.breaker.wait(now, self.limit.in_flight)]
        if self._requests:
            waits.append(self._requests.wait(1, now))
        if self._tokens:
            waits.append(self._tokens.wait(tokens, now))
        known = [wait for wait in waits if wait is not None]
        return max(known) if len(known) == len(waits) else None
