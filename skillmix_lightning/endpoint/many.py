"""Many jobs at one server from ordinary, synchronous code: results come as they complete."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import TypeVar

from skillmix_lightning.endpoint.client import ChatClient

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order_of_completion(
    client: ChatClient, items: Iterable[_Item], job: Callable[[ChatClient, _Item], Awaitable[_Result]]
) -> Generator[_Result, None, None]:
    """Does a job for each item, at most `client.ceiling` at once.

    The event loop lives in a thread of its own, so requests go on while the caller writes results down, and notebooks,
    which already run a loop, can call it. Jobs are started only as the client has room for them, so a hundred thousand
    items take no more memory than a few hundred. When a job fails no further one starts; those under way end and are
    yielded, since they are paid for, and then the failure is raised. A caller that stops early cancels what is under
    way.

    Args:
        client: not yet entered.
        items: what to do; taken only as fast as they are done.
        job: a coroutine function of the client and an item. It may send several requests, one after the other.
    """
    results: queue.SimpleQueue[tuple[_Result] | None] = queue.SimpleQueue()
    failures: list[BaseException] = []
    stop = threading.Event()

    async def work(item: _Item) -> None:
        try:
            results.put((await job(client, item),))
        except Exception as error:
            failures.append(error)

    async def feed(under_way: set["asyncio.Task[None]"]) -> None:
        source = iter(items)
        while True:
            while len(under_way) >= client.ceiling:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            await client.room()
            if failures:
                return
            try:
                item = next(source)
            except StopIteration:
                return
            task = asyncio.create_task(work(item))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            await asyncio.sleep(0)  # the job goes as far as its first slot, so that the next look at the room counts it

    async def run() -> None:
        under_way: set[asyncio.Task[None]] = set()
        async with client:
            feeder = asyncio.create_task(feed(under_way))
            watcher = asyncio.create_task(_cancel_when(stop, feeder, under_way))
            try:
                await feeder
            except Exception as error:  # of the items: what is under way is kept all the same
                failures.append(error)
            if under_way:
                await asyncio.wait(under_way)
            watcher.cancel()

    def run_in_thread() -> None:
        try:
            asyncio.run(run())
        except asyncio.CancelledError:
            pass  # the caller has stopped
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


async def _cancel_when(
    stop: threading.Event, feeder: "asyncio.Task[None]", under_way: set["asyncio.Task[None]"]
) -> None:
    while not stop.is_set():
        await asyncio.sleep(0.05)
    feeder.cancel()
    for task in list(under_way):
        task.cancel()
