import asyncio
import time

import pytest
from chat_server import refuses, says

from skillmix_lightning.endpoint import ChatClient, ServerDown, breaker, in_order_of_completion, retry
from skillmix_lightning.endpoint.breaker import FAILURES, FIRST_PROBE_S, GIVE_UP_S, LONGEST_PROBE_S, Breaker

HELLO = [{"role": "user", "content": "Hello"}]


def broken(failures: int = FAILURES, now: float = 0.0) -> Breaker:
    subject = Breaker()
    for _ in range(failures):
        subject.failed(now - 1, now, "it fails")
    return subject


def test_fewer_failures_or_any_reply_between_them_keep_it_closed():
    assert not broken(FAILURES - 1).is_open
    subject = broken(FAILURES - 1)
    subject.succeeded()
    for _ in range(FAILURES - 1):
        subject.failed(0.0, 1.0, "it fails")
    assert not subject.is_open
    assert subject.wait(1.0, in_flight=50) == 0


def test_a_dead_server_is_tried_by_single_requests_at_growing_intervals():
    subject = broken()
    assert subject.is_open
    assert subject.wait(0.0, in_flight=3) is None
    now, waits = 0.0, []
    for _ in range(6):
        wait = subject.wait(now, in_flight=0)
        waits.append(wait)
        now += wait
        subject.failed(now, now, "it fails")
    assert waits == [FIRST_PROBE_S, 2, 4, 8, LONGEST_PROBE_S, LONGEST_PROBE_S]


def test_failures_of_requests_that_were_under_way_do_not_count_as_tries():
    subject = broken()
    for _ in range(200):
        subject.failed(sent=-1.0, now=GIVE_UP_S + 1, line="it fails")
    assert subject.wait(0.0, in_flight=0) == FIRST_PROBE_S


def test_a_reply_brings_everything_back():
    subject = broken()
    subject.succeeded()
    assert subject.wait(0.0, in_flight=50) == 0
    assert broken().is_open


def test_after_a_time_the_work_ends_with_a_line_that_says_so():
    subject = broken()
    with pytest.raises(ServerDown) as caught:
        subject.failed(GIVE_UP_S, GIVE_UP_S, "the server at http://x answers 500")
    assert str(caught.value) == (
        "the server at http://x answers 500; it has failed 21 times in a row and not answered for 120 s, so nothing "
        "more is sent; what is done is kept: run the same command again when it answers"
    )


async def ask(client: ChatClient, number: int) -> int:
    await client.complete(HELLO, "m")
    return number


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(breaker, "FIRST_PROBE_S", 0.02)
    monkeypatch.setattr(breaker, "LONGEST_PROBE_S", 0.05)


def test_a_server_that_comes_back_is_used_again_and_no_call_is_lost(server, quick):
    back_at = time.monotonic() + 0.5
    server.respond = lambda call: says("Hi.") if time.monotonic() > back_at else refuses(500, "down")
    client = ChatClient(server.base_url, "TEST_KEY", concurrency=40)
    assert sorted(in_order_of_completion(client, range(100), ask)) == list(range(100))
    failed = [at for at, status in server.log if status == 500]
    assert len(failed) < 40 + FAILURES + 30  # those at once, then single ones


def test_a_dead_server_is_not_hammered_and_the_work_ends(server, quick, monkeypatch):
    monkeypatch.setattr(breaker, "GIVE_UP_S", 0.3)
    server.default = refuses(500, "down")
    client = ChatClient(server.base_url, "TEST_KEY", concurrency=30)
    with pytest.raises(ServerDown, match="run the same command again when it answers"):
        list(in_order_of_completion(client, range(10_000), ask))
    assert len(server.calls) < 30 + FAILURES + 20


def test_all_that_wait_are_told_that_the_server_is_down(server, quick, monkeypatch):
    monkeypatch.setattr(breaker, "GIVE_UP_S", 0.1)
    server.default = refuses(500, "down")

    async def many() -> list:
        async with ChatClient(server.base_url, "TEST_KEY", concurrency=5) as client:
            calls = [asyncio.create_task(client.complete(HELLO, "m")) for _ in range(200)]
            return await asyncio.gather(*calls, return_exceptions=True)

    ends = asyncio.run(many())
    assert {type(end) for end in ends} <= {ServerDown, retry.Unavailable}
    assert sum(isinstance(end, ServerDown) for end in ends) > 150
