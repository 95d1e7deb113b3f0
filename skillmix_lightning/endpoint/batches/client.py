"""Many chat requests through the Batch API: files of requests, answered within a day at half the price.

Nothing is asked for twice and nothing that was paid for is lost, wherever the process is killed: the plan of a batch,
its file's id and its own are on disk before the next step, and results before anything is made of them. Calling
`complete_many` again on the same folder goes on from there; batches stay under way at the server meanwhile.

Read on: `work.py` (the course of things), `journal.py` (what is on disk), `calls.py` (what the server
is asked), `rows.py` (what comes back), `ledger.py` (who gets it).
"""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from skillmix_lightning.endpoint.batches.calls import BatchCalls
from skillmix_lightning.endpoint.batches.journal import open_journal
from skillmix_lightning.endpoint.batches.ledger import BatchLedger
from skillmix_lightning.endpoint.batches.money import BatchMoney
from skillmix_lightning.endpoint.batches.requests import BatchProgress, BatchRequest, BatchResult, Item, items_of
from skillmix_lightning.endpoint.batches.work import BatchLimits, BatchWork
from skillmix_lightning.endpoint.client import ChatClient
from skillmix_lightning.endpoint.services import Services
from skillmix_lightning.errors import raise_all

__all__ = ["BatchClient", "BatchProgress", "BatchRequest", "BatchResult"]

_NO_KEY = "not-needed"  # the openai library insists on one; local servers take any


class BatchClient:
    """Sends chat requests in batches: `for result in BatchClient(...).complete_many(requests): ...`.

    Args:
        base_url: of the server, usually ending in /v1.
        api_key_env: the environment variable that holds the key; it may be unset for servers that ask for none.
        folder: where the batches are recorded. Keep it as long as batches are under way: it is how they are found.
        services: the cache and the budget that the clients of a command share.
        poll_seconds: between two looks at the batches under way.
        completion_window: how long the server may take for a batch; OpenAI knows "24h".
        max_requests: of one batch; 50,000 is OpenAI's limit.
        max_bytes: of one batch file; 200 MB is OpenAI's limit.
        max_attempts: in how many batches a request is sent before it is given up.
        timeout_s: for one call, an upload or a download among them.
        settle_s: how long after a call that was cut off its batch may still turn up at the server.
        progress: told after every poll how far things are.

    Raises:
        InputError: a setting cannot work.
    """

    def __init__(
        self,
        base_url: str,
        api_key_env: str,
        folder: Path,
        services: Services | None = None,
        poll_seconds: float = 30.0,
        completion_window: str = "24h",
        max_requests: int = 50_000,
        max_bytes: int = 200_000_000,
        max_attempts: int = 3,
        timeout_s: float = 600.0,
        settle_s: float = 10.0,
        progress: Callable[[BatchProgress], None] | None = None,
    ) -> None:
        ChatClient(base_url, api_key_env, timeout_s=timeout_s)  # says what cannot work in these
        lowest = {"max_requests": max_requests, "max_bytes": max_bytes, "max_attempts": max_attempts}
        problems = [f"{name} is {value}, and has to be at least 1" for name, value in lowest.items() if value < 1]
        waits = {"poll_seconds": poll_seconds, "settle_s": settle_s}
        problems += [f"{name} is {value}, and has to be at least 0" for name, value in waits.items() if value < 0]
        raise_all("the batch client", problems)
        self.base_url = base_url
        self.api_key_env = api_key_env
        self.folder = folder
        self.services = services or Services()
        self.timeout_s = timeout_s
        self.settle_s = settle_s
        self._limits = BatchLimits(max_requests, max_bytes, completion_window, poll_seconds)
        self._max_attempts = max_attempts
        self._progress = progress
        self._money = BatchMoney(self.services)

    def complete_many(self, requests: Iterable[BatchRequest]) -> Generator[BatchResult, None, None]:
        """Gives every request its result, in whatever order they come.

        A reply that the folder has of an earlier call is given again, at the price it had then; then the cache is
        asked; only the rest is sent. Requests with the very same content and round are sent once. A request whose
        answer is missing, unreadable or a fault that can pass goes into another batch, up to `max_attempts`. Failures
        that were told are forgotten: asked for in a later call, the request is sent again.

        Batches that an earlier call left under way are waited for, also if none of their requests is asked for, since
        they are paid for. So a command whose other clients spend from the same budget calls this, with no requests if
        need be, before they start.

        A caller that stops early, or is killed, loses nothing.

        Raises:
            InputError: the requests, the folder, the key or the server cannot work.
            Unavailable: the server keeps failing; what is under way stays there for the next call.
            BudgetReached: the budget has no room for the rest; everything under way was waited for first.
        """
        items = items_of(requests, self.base_url, self._limits.max_bytes)
        self._money.check(items.values())
        key = os.environ.get(self.api_key_env, "").strip() or _NO_KEY
        with (
            open_journal(self.folder, self.base_url) as journal,
            closing(BatchCalls(self.base_url, self.api_key_env, key, self.timeout_s, self.settle_s)) as calls,
        ):
            ledger = BatchLedger(items, journal, self._money, self.services.cache, self._max_attempts)
            work = BatchWork(ledger, journal, calls, self._money, self._limits, self._progress)
            for item in work.ended_items():
                yield from _results(item, journal.tell)


def _results(item: Item, tell: Callable[[str], None]) -> Iterator[BatchResult]:
    """A result for each of the callers' keys; only the first one is charged."""
    try:
        for number, key in enumerate(item.keys):
            cost = 0.0 if number else item.cost
            if item.reply is None:
                yield BatchResult(key, None, item.failure, cost)
            else:
                yield BatchResult(
                    key, replace(item.reply, cached=True, cost_usd=0.0) if number else item.reply, "", cost
                )
    finally:
        if item.reply is None:
            tell(item.id)
