"""Asks the test server through a client of its own, with short waits."""

import asyncio

import pytest

from skillmix_lightning.endpoint import ChatClient, Reply, Services, Stopped, retry
from skillmix_lightning.endpoint.budget import Budget
from skillmix_lightning.endpoint.cache import ResponseCache
from skillmix_lightning.endpoint.prices import Price, Prices
from skillmix_lightning.errors import InputError

HELLO = [{"role": "user", "content": "Hello"}]
PRICES = Prices({"m": Price(10.0, 20.0, 5.0, 5.0, 10.0)})


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(retry, "REFUSALS", 3)


def ask(server, **settings) -> Reply:
    async def once() -> Reply:
        async with ChatClient(server.base_url, settings.pop("api_key_env", "TEST_KEY"), **settings) as chat:
            return await chat.complete(HELLO, "m", temperature=0.5)

    return asyncio.run(once())


def failure_of(server, **settings) -> InputError | Stopped:
    with pytest.raises((InputError, Stopped)) as caught:
        ask(server, **settings)
    return caught.value


def services_of(tmp_path, usd: float | None = None) -> Services:
    return Services(ResponseCache(tmp_path / "cache.sqlite"), Budget(usd, None, PRICES))


def ask_each(server, services: Services, *rounds: int, **options) -> list[Reply]:
    async def each() -> list[Reply]:
        async with ChatClient(server.base_url, "TEST_KEY", services=services) as chat:
            return [await chat.complete(HELLO, "m", round=round, max_tokens=9, **options) for round in rounds]

    return asyncio.run(each())
