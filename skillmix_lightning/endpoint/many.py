"""Many jobs at one server from ordinary, synchronous code: results come as they complete."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from skillmix_lightning.endpoint.client import ChatClient

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order_of_completion(
    client: ChatClient, items: Iterable[_Item], job: Callable[[ChatClient, _Item], Awaitable[_Result]]
) -> Iterator[_Result]:
    """Does a job for each item, at most `client.concurrency` at once.

    The event loop lives in a thread of its own, so requests go on while the caller writes results down, and notebooks,
    which already run a loop, can call it. When a job fails no further one starts; those under way end and are yielded,
    since they are paid for, and then the failure is raised. A caller that stops early cancels what is under way.

    Args:
        client: not yet entered.
        items: what to do; taken only as fast as they are done.
        job: a coroutine function of the client and an item. It may send several requests, one after the other.
    """
    results: queue.SimpleQueue[tuple[_Result] | None] = queue.SimpleQueue()
    failures: list[BaseException] = []
    stop = threading.Event()

    async def work(source: Iterator[_Item], failed: asyncio.Event) -> None:
        while not failed.is_set() and not stop.is_set():
            try:
                item = next(source)
                results.put((await job(client, item),))
            except StopIteration:
                return
            except Exception as error:
                failures.append(error)
                failed.set()

    async def run() -> None:
        source, failed = iter(items), asyncio.Event()
        async with client:
            workers = [asyncio.create_task(work(source, failed)) for _ in range(client.concurrency)]
            watcher = asyncio.create_task(_cancel_when(stop, workers))
            await asyncio.wait(workers)
            watcher.cancel()

    def run_in_thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failures.append(error)
        finally:
            results.put(None)

    thread = threading.Thread(target=run_in_thread, name="endpoint", daemon=True)
    thread.start()
    try:
        while (result := results.get()) is not None:
            yield result[0]
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]


async def _cancel_when(stop: threading.Event, workers: Iterable["asyncio.Task[None]"]) -> None:
    while not stop.is_set():
        await asyncio.sleep(0.05)
    for worker in workers:
        worker.cancel()
