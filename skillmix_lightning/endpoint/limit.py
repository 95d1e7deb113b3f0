"""How many requests may be under way and how fast they may start, found from what the server refuses.

Servers limit either the requests in flight or the requests started in a time, and rarely say which. So two numbers are
kept, a window (requests in flight) and a pace (requests started per second), each worked out from what the server has
accepted, and whichever binds is the server's own limit.

- Until the first refusal the window doubles every round trip, from `START`, and there is no pace. Up to `OPENING` times
  `START` it also doubles every `OPENING_S`, since a server that refuses does so at once.
- A refusal (429, or an overload) cuts both to `KEPT` of what the server had accepted. All refusals of requests that
  were sent before a cut belong to its round trip: they correct what was accepted, and cut no second time.
- If the server accepts at least `TOLERATED` of what comes, a cut leaves the level to return to about as it is: some
  servers refuse a few requests at any rate, and would otherwise be slowed down to a crawl.
- After a cut both grow back on the cubic of TCP CUBIC (RFC 9438): quickly at first, slowly around the level that was
  refused, and ever faster once it is passed, so that a limit that was lifted tenfold is found within seconds.
- Servers that queue instead of refusing would be offered ever more. So the window stays within `OVERSUPPLY` times what
  the best rate of replies needs at the least latency seen.
- Several cuts in a row without any reply say that the server accepts nothing: all requests are held, for as long as it
  asks or ever longer, and then single ones are tried.

Nothing here waits or reads a clock: times are given, in seconds.
"""

import math
import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

START = 32
CEILING = 512
KEPT = 0.93
TOLERATED = 0.9
REGROWTH_S = 3.0
OVERSUPPLY = 4.0
OPENING = 4
OPENING_S = 0.25
CUTS_BEFORE_HOLD = 4
FIRST_HOLD_S = 0.5
LONGEST_HOLD_S = 60.0
_SLOWEST = 1 / 60  # requests per second
_UNKNOWN = 1.0  # likewise
_CEDED = 0.998  # so that a level a little too high is not refused a tenth for ever
_COUNTED_STARTS = 10  # a rate counted from fewer is off by more than KEPT allows
_COUNTABLE = 2  # fewer requests in flight are too few to reckon a rate from
_GROWING_STEP_S = 2.0  # a longer silence proves no more than this
_LOOK_AGAIN_S = 0.25
_RATE_SPAN_S = (1.0, 10.0)


@dataclass(eq=False, slots=True)
class Ticket:
    """A request under way.

    Attributes:
        sent: when it was started.
    """

    sent: float


class _Level(NamedTuple):
    window: float
    pace: float


class Limit:
    """The state of what a server accepts.

    Args:
        ceiling: the most requests in flight, whatever the server accepts.
        start: requests in flight before anything is known; only refusals bring it below.
        jitter: what random numbers come from; None for numbers that differ from process to process. A fit, beside which
            calls are made, saves and restores the state of the common generator, so that is not it.

    Attributes:
        window: requests that may be in flight.
        pace: requests that may start in a second; None before the first refusal.
        in_flight: requests that are.
        refusals: how many requests were refused, over all.
        cuts: how often that made it slow down.
    """

    def __init__(self, ceiling: int = CEILING, start: int = START, jitter: random.Random | None = None) -> None:
        self.ceiling = ceiling
        self._jitter = jitter or random.Random()
        self.window = float(min(start, ceiling))
        self.pace: float | None = None
        self.in_flight = 0
        self.refusals = 0
        self.cuts = 0
        self._latency = 0.0
        self._was_full = float("-inf")
        self._sent: deque[Ticket] = deque()  # in the last seconds, and not refused
        self._next_start = 0.0
        self._opened_at: float | None = None
        self._may_catch_up = True
        # The last cut, and what was accepted then.
        self._cut_at: float | None = None
        self._span = _RATE_SPAN_S[0]
        self._accepted_in_flight = 0
        self._accepted_starts = 0
        self._refused: deque[float] = deque(maxlen=1000)
        self._uncut = self._base = self._base_before = _Level(self.window, math.inf)
        self._grown_s = 0.0
        self._grown_at = 0.0
        # Cuts without a reply in between, and the hold that follows them.
        self._barren = 0
        self._holds = 0
        self._held_until = 0.0
        # The rate of replies, in stretches of a round trip or more.
        self._stretch_start: float | None = None
        self._stretch_in_flight = 0
        self._stretch_latencies: list[float] = []
        self._best_rate = 0.0
        self._least_latency = float("inf")
        self._least_cap = self.window
        self._cap = float(ceiling)

    def wait(self, now: float) -> float | None:
        """Seconds until it is worth asking again; 0 if a request may start, None for not before one has ended."""
        if self._barren >= CUTS_BEFORE_HOLD and self.in_flight:
            return None
        if self.in_flight >= math.ceil(self.window):
            self._open(now)
        if self.in_flight >= math.ceil(self.window):
            self._was_full, self._may_catch_up = now, False
            return _LOOK_AGAIN_S
        wait = max(0.0, self._next_start - now, self._held_until - now)
        if wait > 0:
            self._was_full = now + wait
        return wait

    def start(self, now: float) -> Ticket:
        """A request starts."""
        ticket = Ticket(now)
        self.in_flight += 1
        self._sent.append(ticket)
        self._forget_before(now - _RATE_SPAN_S[1])
        if self._opened_at is None:
            self._opened_at = now
        if self.pace is not None:
            self._grow(now)
            # Starts that came late for want of processor time may be made up for, as far as this leaves no burst.
            late = (
                min(now - self._next_start, 0.02 if self.pace > 100 else 0.5 / self.pace) if self._may_catch_up else 0
            )
            self._next_start = now - max(0.0, late) + 1 / self.pace
            self._may_catch_up = True
        return ticket

    def succeeded(self, ticket: Ticket, now: float) -> None:
        """A request was answered: the server takes this much, so if more is asked for the limits grow."""
        self.in_flight -= 1
        self._barren = self._holds = 0
        taken = now - ticket.sent
        if self._stretch_start is not None:
            self._stretch_latencies.append(taken)
        self._latency = taken if self._latency == 0 else 0.9 * self._latency + 0.1 * taken
        if not self._is_pressed(now):
            self._stretch_start = None
        else:
            self._measure(now)
            if self._cut_at is None:
                self.window = min(self.window + 1, self._cap)
        if self._cut_at is not None:
            self._grow(now)

    def failed(self, ticket: Ticket) -> None:
        """A request ended in a way that says nothing of the server's limits."""
        self.in_flight -= 1

    def refused(self, ticket: Ticket, now: float, asked: float | None = None) -> None:
        """The server refused a request because there are too many.

        Args:
            ticket: of the request.
            now: the time.
            asked: how many seconds the server asks to wait, if it does. Others go on at the lower pace; but if nothing
                at all is accepted everything is held for as long.
        """
        self.in_flight -= 1
        self.refusals += 1
        self._refused.append(now)
        with suppress(ValueError):  # it may be longer ago than is remembered
            self._sent.remove(ticket)
        if self._cut_at is not None and ticket.sent <= self._cut_at:
            self._accepted_in_flight -= 1
            if ticket.sent > self._cut_at - self._span:
                self._accepted_starts -= 1
            self._rebase()
            return
        if self._barren >= CUTS_BEFORE_HOLD:
            self._hold(now, asked)
            return
        self.cuts += 1
        self._barren += 1
        some = 0.0 if self.pace is None else _COUNTED_STARTS / self.pace
        self._span = min(max(self._latency, some, _RATE_SPAN_S[0]), _RATE_SPAN_S[1])
        self._cut_at = now
        self._accepted_in_flight = self.in_flight
        self._accepted_starts = sum(1 for one in self._sent if one.sent > now - self._span)
        self._uncut, self._base_before = _Level(self.window, self.pace or math.inf), self._base
        self._grown_s, self._grown_at = 0.0, now
        self._stretch_start = None
        self._rebase()
        self._next_start = max(self._next_start, now + 1 / (self.pace or 1))
        if self._barren >= CUTS_BEFORE_HOLD:
            self._hold(now, asked)

    def _open(self, now: float) -> None:
        """Lets the window grow without replies: servers refuse at once, so as long as none does it need not wait."""
        if self._cut_at is not None:
            self._grow(now)
        elif self._opened_at is not None and now >= self._opened_at + OPENING_S and self.window < OPENING * START:
            self._opened_at = now
            self.window = min(2 * self.window, self._cap, OPENING * START)

    def _is_pressed(self, now: float) -> bool:
        """Whether more was asked for than was let in, so that what the server did is all it does at this limit."""
        return now - self._was_full <= self._latency + 0.5

    def _grow(self, now: float) -> None:
        if self._is_pressed(now) and self._barren < CUTS_BEFORE_HOLD:
            self._grown_s += min(now - self._grown_at, _GROWING_STEP_S)
        self._grown_at = now
        self._regrow()

    def _rebase(self) -> None:
        """The levels to grow back to after a cut, from what was accepted until now."""
        assert self._cut_at is not None
        uncut, in_flight, starts = self._uncut, float(self._accepted_in_flight), self._accepted_starts
        refused = sum(1 for at in self._refused if at > self._cut_at - self._span)
        if starts >= TOLERATED * (starts + refused) and uncut.pace <= self._base_before.pace < math.inf:
            window, pace = self._base_before
            self._base = _Level(max(1.0, window * _CEDED), max(_SLOWEST, pace * _CEDED))
        else:
            # In flight = rate x latency (Little): each of the two mends a bad moment to count the other.
            rate = starts / self._span
            if in_flight >= _COUNTABLE and self._latency > 0:
                rate = max(rate, in_flight / self._latency)
            in_flight = max(in_flight, starts / self._span * self._latency)
            # None accepted is no measure of a rate: the cut alone lowers it, and after a few of those all is held.
            rate = rate if rate > 0 else _UNKNOWN
            self._base = _Level(max(1.0, min(uncut.window, in_flight)), max(_SLOWEST, min(uncut.pace, rate)))
        self._regrow()

    def _regrow(self) -> None:
        part = self._grown_s / REGROWTH_S - 1
        level = 1 + (1 - KEPT) * part**3
        self.window = min(max(1.0, self._base.window * level), self._cap)
        self.pace = self._base.pace * level

    def _hold(self, now: float, asked: float | None) -> None:
        self._holds += 1
        backoff = min(LONGEST_HOLD_S, FIRST_HOLD_S * 2.0 ** min(self._holds - 1, 20)) * self._jitter.uniform(0.5, 1.0)
        self._held_until = now + (backoff if asked is None else min(asked, LONGEST_HOLD_S))

    def _measure(self, now: float) -> None:
        if self._stretch_start is None:
            self._stretch_start, self._stretch_in_flight = now, self.in_flight + 1
            self._stretch_latencies.clear()
            return
        length, latencies = now - self._stretch_start, self._stretch_latencies
        if len(latencies) < self._stretch_in_flight or length < self._latency or length <= 0:
            return
        # The quarter of the replies that came soonest had waited in no queue; the rest is the length of their texts.
        self._least_latency = min(self._least_latency, sorted(latencies)[len(latencies) // 4])
        self._best_rate = max(0.99 * self._best_rate, len(latencies) / length)
        self._cap = min(self.ceiling, max(self._least_cap, OVERSUPPLY * self._best_rate * self._least_latency))
        self._stretch_start = None

    def _forget_before(self, time: float) -> None:
        while self._sent and self._sent[0].sent < time:
            self._sent.popleft()
