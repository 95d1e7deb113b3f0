"""How close the endpoint client comes to what a server allows, and what a call costs it.

    .venv/bin/python benchmarks/endpoint_throughput.py

The server is tests/support/chat_server.py in a process of its own: real HTTP on loopback, refusals (429) at once. The
client starts without knowing any limit.
"""

import multiprocessing
import os
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from chat_server import ChatServer, routes, serving

from skillmix_lightning.endpoint import ChatClient, Reply, in_order_of_completion

PROMPT = "Write two sentences about sewing that show a metaphor and modus ponens. " * 20


def serve(pipe, delay_s: float, most_in_flight: int | None) -> None:
    chat = ChatServer()
    chat.keeps_calls, chat.delay_s, chat.most_in_flight = False, delay_s, most_in_flight
    with serving(routes(chat)) as base_url:
        pipe.send(base_url)
        pipe.recv()
        statuses = [status for _, status in chat.log]
        pipe.send((len(statuses), statuses.count(429), chat.most_at_once))


async def ask(client: ChatClient, number: int) -> Reply:
    return await client.complete([{"role": "user", "content": f"{number}: {PROMPT}"}], "m", max_tokens=512)


def measure(calls: int, delay_s: float, most_in_flight: int | None, concurrency: int | None = None) -> dict[str, float]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs, delay_s, most_in_flight))
    process.start()
    client = ChatClient(ours.recv(), "NO_KEY", concurrency)
    resident = _resident_mib()
    start, cpu = time.perf_counter(), time.process_time()
    replies, most_mib = 0, resident
    for reply in in_order_of_completion(client, range(calls), ask):
        assert reply.is_complete
        replies += 1
        if replies % 100 == 0:
            most_mib = max(most_mib, _resident_mib())
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    ours.send(None)
    requests, refused, most_at_once = ours.recv()
    process.join()
    assert replies == calls
    return {
        "calls/s": calls / wall,
        "wall s": wall,
        "CPU ms/call": 1000 * cpu / calls,
        "refused": refused,
        "requests": requests,
        "most at once": most_at_once,
        "grown MiB": most_mib - resident,
    }


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def show(title: str, result: dict[str, float], ideal: float | None = None) -> None:
    share = f"{result['calls/s'] / ideal:.1%} of the ideal, " if ideal else ""
    print(f"{title}: {share}" + ", ".join(f"{name} {value:.4g}" for name, value in result.items()), flush=True)


if __name__ == "__main__":
    print(f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    wanted = sys.argv[1:] or ["limit", "limit", "limit", "fixed", "fastest", "queue"]
    for name in wanted:
        if name == "limit":
            show("4,000 calls at 1 s, 200 in flight, to be found", measure(4000, 1.0, 200), 200)
        elif name == "fixed":
            show("the same, told 200", measure(4000, 1.0, 200, 200), 200)
        elif name == "fastest":
            show("20,000 calls at 10 ms, told 64", measure(20_000, 0.01, None, 64))
        elif name == "queue":
            show("25,000 queued calls at 0.2 s, 200 in flight, to be found", measure(25_000, 0.2, 200), 1000)
