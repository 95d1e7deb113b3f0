"""What is kept is not asked for twice, and what is asked for is counted."""

import asyncio
from dataclasses import replace

import pytest
from asking import HELLO, PRICES, ask_each, services_of
from asking import short_waits as short_waits  # a fixture
from chat_server import CUT_OFF, INCOMPLETE, refuses

from skillmix_lightning.endpoint import ChatClient, Reply, Services
from skillmix_lightning.endpoint.budget import Budget, BudgetReached


def test_a_request_that_was_answered_is_not_sent_again(server, tmp_path):
    services = services_of(tmp_path)
    first, again, other_round = ask_each(server, services, 0, 0, 1)
    assert again == replace(first, cached=True, cost_usd=0.0, attempts=0)
    assert not other_round.cached
    assert [reply.cached for reply in ask_each(server, services, 0, prompt_id="another")] == [False]
    assert len(server.calls) == 3
    assert all(set(call) == {"messages", "model", "max_tokens"} for call in server.calls)


@pytest.mark.parametrize("kind", INCOMPLETE)
def test_what_is_not_complete_is_not_cached(server, tmp_path, kind):
    server.default = INCOMPLETE[kind]
    assert [reply.cached for reply in ask_each(server, services_of(tmp_path), 0, 0)] == [False, False]
    assert len(server.calls) == 2


def test_a_call_costs_what_its_reply_and_its_lost_attempts_cost(server, tmp_path):
    services = services_of(tmp_path)
    price = (10 * 10 + 3 * 20) / 1e6
    [reply] = ask_each(server, services, 0)
    assert reply.cost_usd == pytest.approx(price)
    server.script = [refuses(500, "oops"), refuses(429, "slow down", Retry_After="0")]
    [refused] = ask_each(server, services, 1)
    assert (refused.attempts, refused.cost_usd) == (3, pytest.approx(price))
    server.script = [CUT_OFF]
    [cut] = ask_each(server, services, 2)
    assert cut.cost_usd > 2 * price  # what was lost may be billed
    assert services.budget.spent_usd == pytest.approx(2 * price + cut.cost_usd)


def test_a_budget_is_kept_by_calls_at_once(server, tmp_path):
    server.delay_s = 0.01
    services = Services(budget=Budget(0.02, None, PRICES))

    async def many() -> list:
        async with ChatClient(server.base_url, "TEST_KEY", concurrency=50, services=services) as chat:
            calls = [
                chat.complete([*HELLO, {"role": "user", "content": str(i)}], "m", max_tokens=9) for i in range(300)
            ]
            return await asyncio.gather(*calls, return_exceptions=True)

    ends = asyncio.run(many())
    complete = [end for end in ends if isinstance(end, Reply)]
    assert {type(end) for end in ends} == {Reply, BudgetReached}
    assert len(server.calls) == len(complete)
    assert 0.017 < sum(reply.cost_usd for reply in complete) <= 0.02


def test_a_call_that_is_cancelled_may_be_billed_and_leaves_its_slot(server):
    server.delay_s = 0.3
    services = Services(budget=Budget(1.0, None, PRICES))

    async def cancelled() -> Reply:
        async with ChatClient(server.base_url, "TEST_KEY", concurrency=1, services=services) as chat:
            call = asyncio.create_task(chat.complete(HELLO, "m", max_tokens=9))
            queued = asyncio.create_task(chat.complete(HELLO, "m", max_tokens=9))
            while not server.calls:
                await asyncio.sleep(0.01)
            queued.cancel()
            call.cancel()
            await asyncio.gather(call, queued, return_exceptions=True)
            assert services.budget.spent_usd > 0
            return await chat.complete(HELLO, "m", max_tokens=9)

    assert asyncio.run(cancelled()).text
    assert len(server.calls) == 2
