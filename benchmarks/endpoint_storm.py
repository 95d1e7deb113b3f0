"""How the endpoint client lives through refusals and faults.

    .venv/bin/python benchmarks/endpoint_storm.py          # 4 minutes

Storms: a server (tests/support/chat_server.py in a process of its own) accepts 50 requests a second for a minute, then
5, then 50 again, and refuses all others at once. Counted is what it accepts from 30 s after each change.
Faults: a fifth of the replies fails in one of the ways of chat_server.PASSING, or comes incomplete.
"""

import collections
import itertools
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from chat_server import INCOMPLETE, PASSING, Allowance, ChatServer, refuses, routes, says, serving, sometimes

from skillmix_lightning.endpoint import ChatClient, Reply, Services, Unavailable, in_order_of_completion
from skillmix_lightning.endpoint.cache import ResponseCache

RATES = (50, 5, 50)
PHASE_S, SETTLING_S = 60, 30
REFUSALS = {
    "bare 429": refuses(429, "slow down"),
    "Retry-After: 1": refuses(429, "slow down", Retry_After="1"),
    "x-ratelimit-reset-requests: 20ms": refuses(429, "slow down", x_ratelimit_reset_requests="20ms"),
}


def serve_storm(pipe, refusal: str, burst: int, delay_s: float) -> None:
    chat = ChatServer()
    chat.keeps_calls, chat.delay_s, chat.refusal = False, delay_s, REFUSALS[refusal]
    with serving(routes(chat)) as base_url:
        pipe.send(base_url)
        allowance = chat.allowance = Allowance(RATES[0], burst)
        for rate in RATES:
            allowance.per_second = rate
            time.sleep(PHASE_S)
        pipe.send((allowance.accepted, allowance.refused))
        pipe.recv()


def storm(refusal: str, burst: int, delay_s: float = 0.3) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve_storm, args=(theirs, refusal, burst, delay_s))
    process.start()
    client = ChatClient(ours.recv(), "NO_KEY")
    replies = in_order_of_completion(client, itertools.count(), ask)
    for _ in replies:
        if ours.poll():
            break
    accepted, refused = ours.recv()
    replies.close()
    ours.send(None)
    process.join()
    shares = []
    for phase, rate in enumerate(RATES):
        start, end = phase * PHASE_S + SETTLING_S, (phase + 1) * PHASE_S
        taken, turned = (sum(start <= at < end for at in times) for times in (accepted, refused))
        shares.append(f"{taken / (end - start) / rate:.0%} of {rate}/s ({turned} refused)")
    requests = collections.Counter(int(at * 10) for at in accepted + refused if at > SETTLING_S)
    print(
        f"storm, {refusal}, burst {burst}: {', '.join(shares)}; refused in all {len(refused)} of "
        f"{len(refused) + len(accepted)}; most in 0.1 s after the first 30 s {max(requests.values())}",
        flush=True,
    )


def serve_faults(pipe) -> None:
    chat = ChatServer()
    chat.delay_s = 0.05
    bad = [*PASSING.values(), *INCOMPLETE.values()]
    chat.respond = sometimes(0.2, bad, lambda call: says(call["messages"][0]["content"]))
    with serving(routes(chat)) as base_url:
        pipe.send(base_url)
        pipe.recv()
        pipe.send(len(chat.calls))


def faults(calls: int) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve_faults, args=(theirs,))
    process.start()
    with tempfile.TemporaryDirectory() as folder:
        cache = ResponseCache(Path(folder) / "replies.sqlite")
        client = ChatClient(ours.recv(), "NO_KEY", timeout_s=1.0, services=Services(cache))
        start = time.perf_counter()
        ends: collections.Counter[str] = collections.Counter()
        seen = set()
        for number, end in in_order_of_completion(client, range(calls), outcome):
            assert number not in seen
            seen.add(number)
            ends[end] += 1
        wall = time.perf_counter() - start
        assert len(seen) == calls
        cached = sum(model.replies for model in cache.models())
        cache.close()
    ours.send(None)
    requests = ours.recv()
    process.join()
    assert cached == ends["complete"]
    print(
        f"faults in 20% of the replies, {calls} calls in {wall:.0f} s, {requests} requests: "
        f"{', '.join(f'{end} {number}' for end, number in ends.most_common())}; {cached} cached"
    )


async def ask(client: ChatClient, number: int) -> Reply:
    return await client.complete([{"role": "user", "content": str(number)}], "m")


async def outcome(client: ChatClient, number: int) -> tuple[int, str]:
    try:
        reply = await ask(client, number)
    except Unavailable:
        return number, "given up"
    if reply.is_complete:
        assert reply.text == str(number)
        return number, "complete"
    return number, reply.finish_reason if reply.text.strip() else f"{reply.finish_reason}, empty"


if __name__ == "__main__":
    print(f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    kinds = [("bare 429", 5), ("bare 429", 1), ("Retry-After: 1", 5), ("x-ratelimit-reset-requests: 20ms", 50)]
    storms = [threading.Thread(target=storm, args=kind) for kind in kinds]  # they mostly wait: side by side
    for one in storms:
        one.start()
    for one in storms:
        one.join()
    faults(2000)
