"""A server's limits and a crowd of calls on a simulated clock, for what takes minutes on a real one."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from skillmix_lightning.endpoint.limit import Limit, Ticket

REFUSING_S = 0.002


@dataclass
class SimulatedServer:
    """Answers after `latency_s()`; refuses at once what is beyond a limit.

    Attributes:
        latency_s: draws a latency.
        most_in_flight: more are refused; None for no limit.
        slots: more wait in a queue until one is free; None for as many as come.
        per_second: requests accepted in a second, as a function of time; None for no limit.
        burst: how many of those may come at once.
        refused_share: of the requests, refused at any rate.
    """

    latency_s: Callable[[], float]
    most_in_flight: int | None = None
    slots: int | None = None
    per_second: Callable[[float], float] | None = None
    burst: float = 1
    refused_share: float = 0.0
    starts: list[float] = field(default_factory=list)
    replies: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    most_at_once: int = 0


def run(limit: Limit, server: SimulatedServer, calls: int = 10**9, until_s: float = 10**9) -> float:
    """Has `limit` start calls, of which there are always more, until they are done or the time is over.

    Returns:
        When it ended.
    """
    order = itertools.count()
    draw = random.Random(0)
    events: list[tuple[float, int, str, Ticket]] = []
    now = level_at = 0.0
    level, working, busy_until = server.burst, 0, [0.0] * (server.slots or 0)
    left = calls
    done = 0
    while done < calls:
        wait = limit.wait(now) if left else None
        while wait == 0 and left:
            left -= 1
            ticket = limit.start(now)
            server.starts.append(now)
            accepted = server.most_in_flight is None or working < server.most_in_flight
            accepted = accepted and draw.random() >= server.refused_share
            if accepted and server.per_second:
                level = min(server.burst, level + (now - level_at) * server.per_second(now))
                level_at = now
                accepted = level >= 1 - 1e-9
                level -= accepted
            if not accepted:
                heapq.heappush(events, (now + REFUSING_S, next(order), "refused", ticket))
            else:
                working += 1
                start = now
                if server.slots:
                    start = max(now, heapq.heappop(busy_until))
                end = start + server.latency_s()
                if server.slots:
                    heapq.heappush(busy_until, end)
                heapq.heappush(events, (end, next(order), "done", ticket))
            server.most_at_once = max(server.most_at_once, working)
            wait = limit.wait(now) if left else None
        next_event = events[0][0] if events else float("inf")
        next_start = now + wait if wait is not None and left else float("inf")
        now = min(next_event, next_start)
        assert now < float("inf"), "neither a reply nor a start is due"
        if now >= until_s:
            return until_s
        if next_event <= now:
            _, _, what, ticket = heapq.heappop(events)
            if what == "refused":
                limit.refused(ticket, now)
                server.refusals.append(now)
                left += 1
            else:
                working -= 1
                done += 1
                limit.succeeded(ticket, now)
                server.replies.append(now)
    return now


def around(mean_s: float, spread: float = 0.0, seed: int = 0) -> Callable[[], float]:
    draw = random.Random(seed)
    return lambda: mean_s * draw.uniform(1 - spread, 1 + spread)
