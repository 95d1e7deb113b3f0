import random

import pytest
from batch_sending import answers, asked, client, request, requests, scripted, texts
from batch_sending import batch_server as batch_server
from batch_sending import send as send
from batch_server import Fault
from chat_server import refuses, says

from skillmix_lightning.endpoint import retry
from skillmix_lightning.endpoint.batches import work
from skillmix_lightning.endpoint.bounds import tokens_at_most
from skillmix_lightning.endpoint.budget import Budget, BudgetReached
from skillmix_lightning.endpoint.cache import CachedReply, ResponseCache, cache_key
from skillmix_lightning.endpoint.failures import Unavailable
from skillmix_lightning.endpoint.prices import Price, Prices
from skillmix_lightning.endpoint.services import Services
from skillmix_lightning.errors import InputError

# Dollars per token in a batch: 1 and 2; outside of one: twice as much.
PRICE = Price(input=2e6, output=4e6, cached_input=2e6, batch_input=1e6, batch_output=2e6)
PRICES = Prices({"m": PRICE})
COST = 10 * 1 + 3 * 2  # of an answer of the test server


def at_most(number: int = 0) -> float:
    prompt, completion = tokens_at_most(request(number).messages, request(number).options)
    return prompt * 1.0 + completion * 2.0


def budget(usd: float | None = None, **settings) -> Services:
    return Services(budget=Budget(usd, None, PRICES, **settings))


def sums_up(results) -> float:
    return sum(result.cost_usd for result in results.values())


# Cache


def test_what_the_cache_has_is_not_sent(send, batch_server, tmp_path):
    cache = ResponseCache(tmp_path / "cache.sqlite")
    asked_for = request(1)
    key = cache_key(batch_server.base_url, "m", asked_for.messages, asked_for.options)
    cache.put(key, CachedReply("Known.", "stop", {"prompt_tokens": 1}, "m-0613"), "m")
    result = send(requests(3), services=Services(cache))["key 1"]
    assert asked(batch_server) == [["0", "2"]]
    assert (result.reply.text, result.reply.cached, result.reply.attempts, result.cost_usd) == ("Known.", True, 0, 0.0)


def test_complete_replies_are_cached_and_others_are_not(send, batch_server, tmp_path):
    cache = ResponseCache(tmp_path / "cache.sqlite")
    batch_server.respond = scripted({"Request 1": [says("It is", "length")], "Request 2": [refuses(400, "no")]})
    send(requests(3), services=Services(cache))
    rows = [row for rows in batch_server.inputs() for row in rows]
    found = {row["body"]["messages"][0]["content"]: cache.get(row["custom_id"]) for row in rows}
    usage = {"prompt_tokens": 10, "completion_tokens": 3}
    expected = CachedReply("You say: Request 0", "stop", usage, "m-0613")
    assert found == {"Request 0": expected, "Request 1": None, "Request 2": None}


# Budget


def test_a_request_costs_what_batches_cost(send):
    services = budget()
    results = send(requests(3), services=services)
    assert [result.cost_usd for result in results.values()] == [COST] * 3
    assert [result.reply.cost_usd for result in results.values()] == [COST] * 3
    assert services.budget.spent_usd == 3 * COST


def test_an_answer_without_use_is_paid_for_with_the_one_after_it(send, batch_server):
    useless = says("x")
    useless.body["choices"] = []
    batch_server.respond = scripted({"Request 0": [useless]})
    services = budget()
    results = send(requests(2), services=services)
    assert results["key 0"].cost_usd == results["key 0"].reply.cost_usd == at_most() + COST
    assert services.budget.spent_usd == sums_up(results)


def test_a_failure_costs_nothing(send, batch_server):
    batch_server.respond = scripted({"Request 0": [refuses(400, "no")]})
    services = budget()
    assert send(requests(2), services=services)["key 0"].cost_usd == 0
    assert services.budget.spent_usd == COST


def test_an_answer_that_the_server_counts_and_does_not_give_is_taken_to_be_billed(send, batch_server):
    def lose(ending):
        ending.counted = len(ending.output)
        ending.output.pop()

    batch_server.endings = [lose]
    services = budget()
    results = send(requests(2), services=services)
    assert texts(results) == answers(2)
    assert services.budget.spent_usd == sums_up(results) == 2 * COST + at_most()


def test_no_more_is_sent_than_there_is_room_for_at_most(send, batch_server):
    services = budget(usd=2.5 * at_most())
    assert texts(send(requests(4), services=services)) == answers(4)
    assert asked(batch_server) == [["0", "1"], ["2", "3"]]
    assert services.budget.spent_usd == 4 * COST


def test_a_budget_that_is_reached_ends_it_after_what_is_under_way(batch_server, tmp_path, send):
    results = {}
    services = budget(usd=at_most() + 2.5 * COST)
    given = client(batch_server, tmp_path, services=services).complete_many(requests(9))
    with pytest.raises(BudgetReached, match="raise --budget_usd and run the same command again"):
        results.update((result.key, result) for result in given)
    assert texts(results) == answers(3)
    assert services.budget.spent_usd == 3 * COST
    more = budget(usd=1e6, already_usd=services.budget.spent_usd)
    rest = send(requests(9)[3:], services=more)
    assert texts(results | rest) == answers(9)
    assert more.budget.spent_usd == 9 * COST
    assert set(batch_server.answered.values()) == {1}


def test_a_budget_without_room_for_anything_sends_nothing(send, batch_server):
    with pytest.raises(BudgetReached):
        send(requests(2), services=budget(usd=1.0))
    assert batch_server.calls == []


def test_what_cannot_be_counted_is_refused_before_anything_is_sent(send, batch_server):
    with pytest.raises(InputError, match="no price is known for the model other"):
        send([request(0), request(1, model="other")], services=budget(usd=1e6))
    with pytest.raises(InputError, match="set max_tokens"):
        send([request(0), request(1, options={})], services=budget(usd=1e6))
    assert batch_server.calls == []


def test_replies_of_an_earlier_process_count_once_if_they_are_asked_for(batch_server, tmp_path, send):
    send(requests(3), services=budget())
    later = budget(usd=1e6)
    asked_again = client(batch_server, tmp_path, services=later)
    for _ in range(2):
        assert [result.cost_usd for result in asked_again.complete_many(requests(2))] == [COST, COST]
    assert later.budget.spent_usd == 2 * COST


def test_batches_under_way_hold_their_room_and_beyond_the_budget_are_collected_before_it_ends(
    send, batch_server, monkeypatch
):
    monkeypatch.setattr(work, "OUTAGE_S", 0.0)
    batch_server.faults["GET /batches/id"] = [Fault(refuses(500, "oops"))] * retry.ATTEMPTS
    with pytest.raises(Unavailable):
        send(requests(3), services=budget(usd=1e6))
    with pytest.raises(BudgetReached):
        send(requests(4), services=budget(usd=1.5 * at_most()))
    assert len(batch_server.batches) == 1
    results = send(requests(4), services=budget(usd=1e6))
    assert texts(results) == answers(4)
    assert asked(batch_server) == [["0", "1", "2"], ["3"]]


@pytest.mark.parametrize("seed", range(50))
def test_no_schedule_spends_more_than_the_budget(batch_server, tmp_path, seed):
    draw = random.Random(seed)
    billed = 0.0

    def respond(body):
        nonlocal billed
        if draw.random() < 0.1:
            return refuses(draw.choice([400, 429, 500]), "oops")
        answer = says("Text.")
        prompt, completion = tokens_at_most(body["messages"], body)
        usage = {"prompt_tokens": draw.randint(1, prompt), "completion_tokens": draw.randint(0, completion)}
        answer.body["usage"] = usage
        billed += usage["prompt_tokens"] * 1.0 + usage["completion_tokens"] * 2.0
        return answer

    def lose_some(ending):
        ending.counted = len(ending.output)
        ending.output = [row for row in ending.output if draw.random() < 0.9]

    batch_server.respond = respond
    batch_server.endings = [draw.choice([lose_some, lambda _: None]) for _ in range(50)]
    cap = draw.uniform(1, 20) * at_most()
    services = budget(usd=cap)
    sender = client(
        batch_server, tmp_path, services=services, max_requests=draw.randint(1, 6), poll_seconds=0.0, settle_s=0.0
    )
    try:
        results = list(sender.complete_many(requests(draw.randint(1, 20))))
    except BudgetReached:
        results = None
    assert billed <= services.budget.spent_usd + 1e-6
    assert services.budget.spent_usd <= cap
    assert results is None or sums_up({result.key: result for result in results}) <= cap
