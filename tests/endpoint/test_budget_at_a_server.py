"""The cap as the server sees it: what it bills, lost replies included, is never more."""

import asyncio
import random
from dataclasses import replace

import pytest
from chat_server import ChatServer, refuses, says

from skillmix_lightning.endpoint import ChatClient, retry
from skillmix_lightning.endpoint.budget import Budget, BudgetReached
from skillmix_lightning.endpoint.cache import ResponseCache
from skillmix_lightning.endpoint.prices import load_prices
from skillmix_lightning.endpoint.services import Services

PRICES = load_prices()
MAX_TOKENS = 900


class Biller:
    """Answers after a random time with random possible usage; some replies are cut, some requests fail unbilled."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.bill = 0.0

    def __call__(self, call: dict) -> object:
        if self.rng.random() < 0.1:
            return refuses(500, "oops")
        prompt = self.rng.randint(1, len(call["messages"][0]["content"]))
        usage = {"prompt_tokens": prompt, "completion_tokens": self.rng.randint(1, call["max_tokens"])}
        self.bill += PRICES.cost("gpt-4", usage)
        answer = says("Answer: It is.", model="gpt-4-0613")
        answer.body["usage"] = usage
        return replace(answer, cut=self.rng.random() < 0.05, delay_s=self.rng.random() * 0.01)


async def spend(server: ChatServer, services: Services, workers: int) -> int:
    """Asks until the budget is reached; how many replies came."""

    async def work(client: ChatClient, name: int) -> int:
        for number in range(1000):
            text = f"Write about {name}-{number}. " * 10
            try:
                await client.complete([{"role": "user", "content": text}], "gpt-4", max_tokens=MAX_TOKENS)
            except BudgetReached:
                return number
        return 1000

    async with ChatClient(server.base_url, "TEST_KEY", services=services) as client:
        return sum(await asyncio.gather(*(work(client, name) for name in range(workers))))


@pytest.mark.parametrize("seed", range(50))
def test_a_server_never_bills_more_than_the_budget(server, monkeypatch, seed):
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.001)
    rng = random.Random(seed)
    server.respond = biller = Biller(rng)
    budget = Budget(1.0, None, PRICES)
    replies = asyncio.run(spend(server, Services(None, budget), rng.randint(1, 40)))
    assert replies > 10
    assert biller.bill <= budget.spent_usd + 1e-9
    assert budget.spent_usd <= 1.0
    assert budget.spent_usd > 0.93  # a call can cost up to 7 cents, so less than that is left


def test_what_is_in_the_cache_costs_nothing_and_needs_no_room(server, tmp_path):
    server.respond = Biller(random.Random(0))
    cache, ask = ResponseCache(tmp_path / "c.sqlite"), [{"role": "user", "content": "Hello"}]

    async def twice(budget: Budget) -> list[float]:
        async with ChatClient(server.base_url, "TEST_KEY", services=Services(cache, budget)) as client:
            return [(await client.complete(ask, "gpt-4", max_tokens=9)).cost_usd for _ in range(2)]

    first, again = asyncio.run(twice(Budget(1.0, None, PRICES)))
    assert first > 0
    assert again == 0
    assert asyncio.run(twice(Budget(0.0, None, PRICES))) == [0, 0]
