import asyncio
import threading
import time

import pytest

from skillmix_lightning.endpoint import ChatClient, in_order_of_completion

HELLO = [{"role": "user", "content": "Hello"}]


def client_of(server, concurrency: int = 4) -> ChatClient:
    return ChatClient(server.base_url, "TEST_KEY", concurrency)


async def ask(client: ChatClient, number: int) -> int:
    await client.complete([{"role": "user", "content": str(number)}], "m")
    return number


def test_every_item_is_done_once_and_never_too_many_at_once(server):
    server.delay_s = 0.01
    assert sorted(in_order_of_completion(client_of(server), range(30), ask)) == list(range(30))
    assert len(server.calls) == 30
    assert server.most_at_once == 4


def test_results_come_as_they_complete(server):
    async def sleep(_: ChatClient, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    assert list(in_order_of_completion(client_of(server), [0.3, 0.01, 0.15], sleep)) == [0.01, 0.15, 0.3]


def test_no_items_are_no_calls(server):
    assert list(in_order_of_completion(client_of(server), [], ask)) == []
    assert server.calls == []


def test_a_failure_starts_nothing_more_and_what_is_under_way_is_kept(server):
    started = []

    async def fail_first(_: ChatClient, number: int) -> int:
        started.append(number)
        await asyncio.sleep(0.05 if number else 0.01)
        if number == 0:
            raise ValueError("the first fails")
        return number

    results = in_order_of_completion(client_of(server), range(100), fail_first)
    assert sorted(next(results) for _ in range(3)) == [1, 2, 3]
    with pytest.raises(ValueError, match="the first fails"):
        next(results)
    assert sorted(started) == [0, 1, 2, 3]


def test_a_failure_while_reading_the_items_is_raised(server):
    def items():
        yield 1
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(in_order_of_completion(client_of(server), items(), ask))


def test_a_caller_that_stops_early_cancels_the_rest(server):
    server.delay_s = 0.05
    results = in_order_of_completion(client_of(server, concurrency=2), range(1000), ask)
    next(results)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 5
    assert len(server.calls) < 20
    assert [thread for thread in threading.enumerate() if thread.name == "endpoint"] == []


def test_it_works_where_a_loop_is_running_already(server):
    async def notebook() -> list[int]:
        return list(in_order_of_completion(client_of(server), [1], ask))

    assert asyncio.run(notebook()) == [1]


def test_items_are_taken_only_as_fast_as_they_are_done(server):
    server.delay_s = 0.02
    taken = []

    def items():
        for number in range(25_000):
            taken.append(number)
            yield number

    results = in_order_of_completion(client_of(server), items(), ask)
    for _ in range(20):
        next(results)
    results.close()
    assert len(taken) < 100


def test_without_a_number_as_many_are_under_way_as_the_server_takes(server):
    server.delay_s = 0.05
    client = ChatClient(server.base_url, "TEST_KEY")
    assert sorted(in_order_of_completion(client, range(300), ask)) == list(range(300))
    assert 32 < server.most_at_once <= client.ceiling


def test_jobs_that_wait_for_a_slot_when_another_fails_end_as_well(server):
    server.delay_s = 0.05

    async def fail_late(client: ChatClient, number: int) -> int:
        await ask(client, number)
        if number == 0:
            raise ValueError("the first fails")
        return number

    results = in_order_of_completion(client_of(server, 2), range(1000), fail_late)
    done = []
    with pytest.raises(ValueError, match="the first fails"):
        done.extend(results)
    assert len(done) + 1 == len(server.calls) < 20
