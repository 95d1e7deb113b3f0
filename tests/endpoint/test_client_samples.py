"""Several samples of one conversation, in one request where the server can."""

import asyncio

import pytest
from asking import HELLO, PRICES, services_of
from asking import short_waits as short_waits  # a fixture
from chat_server import refuses, says

from skillmix_lightning.endpoint import ChatClient, Rejected, Reply, Services
from skillmix_lightning.endpoint.budget import Budget


def samples(server, n: int, **options) -> list[Reply]:
    async def each() -> list[Reply]:
        async with ChatClient(server.base_url, "TEST_KEY", services=options.pop("services", None)) as chat:
            await chat.complete_n(HELLO, "m", n, **options)
            return await chat.complete_n([*HELLO, *HELLO], "m", n, **options)

    return asyncio.run(each())


def test_several_samples_are_one_request_and_share_its_cost(server):
    server.respond = lambda call: says("Hi.", n=call.get("n", 1))
    replies = samples(server, 3, services=Services(budget=Budget(None, None, PRICES)), max_tokens=9)
    assert [call["n"] for call in server.calls] == [3, 3]
    assert [reply.usage for reply in replies] == [
        {"prompt_tokens": 4, "completion_tokens": 3},
        {"prompt_tokens": 3, "completion_tokens": 3},
        {"prompt_tokens": 3, "completion_tokens": 3},
    ]
    assert sum(reply.cost_usd for reply in replies) == pytest.approx((10 * 10 + 9 * 20) / 1e6)


def test_a_server_that_ignores_n_is_asked_for_each_sample_with_a_seed_of_its_own(server):
    assert len(samples(server, 3, seed=7)) == 3
    assert [(call.get("n"), call["seed"]) for call in server.calls] == [
        (3, 7),
        (None, 8),
        (None, 9),
        (None, 7),  # it was asked for n once
        (None, 8),
        (None, 9),
    ]


def test_a_server_that_rejects_n_is_asked_for_each_sample(server):
    server.respond = lambda call: refuses(400, "n is not supported") if "n" in call else says("Hi.")
    assert len(samples(server, 2)) == 2
    assert ["n" in call for call in server.calls] == [True, False, False, False, False]


def test_a_request_that_is_rejected_for_another_reason_is_so_with_n_too(server):
    server.default = refuses(400, "unsupported value")
    with pytest.raises(Rejected, match="unsupported value"):
        samples(server, 2)
    assert len(server.calls) == 2


def test_samples_that_are_cached_are_not_asked_for_again(server, tmp_path):
    server.respond = lambda call: says("Hi.", n=call.get("n", 1))
    services = services_of(tmp_path)

    async def each(n: int) -> list[Reply]:
        async with ChatClient(server.base_url, "TEST_KEY", services=services) as chat:
            return await chat.complete_n(HELLO, "m", n, max_tokens=9)

    asyncio.run(each(2))
    assert [reply.cached for reply in asyncio.run(each(5))] == [True, True, False, False, False]
    assert [call["n"] for call in server.calls] == [2, 3]


def test_samples_before_one_that_fails_are_kept(server):
    server.respond = lambda call: says("Hi.") if "n" in call else refuses(503, "overloaded")

    async def three() -> list[Reply]:
        async with ChatClient(server.base_url, "TEST_KEY") as chat:
            return await chat.complete_n(HELLO, "m", 3)

    assert [reply.text for reply in asyncio.run(three())] == ["Hi."]
