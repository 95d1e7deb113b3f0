"""One client for any server: what it sends and reads, and how much at once."""

import asyncio
import time

import pytest
from asking import HELLO, ask
from asking import short_waits as short_waits  # a fixture
from chat_server import KEY, declines, says

from skillmix_lightning.endpoint import ChatClient, Reply, in_order_of_completion
from skillmix_lightning.errors import InputError


def test_one_request_is_one_call_with_all_that_was_asked(server):
    server.script = [says("Hi.", "length")]
    assert ask(server) == Reply("Hi.", "length", {"prompt_tokens": 10, "completion_tokens": 3}, "m-0613")
    assert server.calls == [{"messages": HELLO, "model": "m", "temperature": 0.5}]
    assert server.keys == [f"Bearer {KEY}"]


def test_a_local_server_needs_no_key(server):
    assert ask(server, api_key_env="NO_SUCH_VARIABLE").finish_reason == "stop"


def test_requests_at_once_never_exceed_the_limit(server):
    server.delay_s = 0.02

    async def twenty() -> None:
        async with ChatClient(server.base_url, "TEST_KEY", concurrency=3) as chat:
            await asyncio.gather(*(chat.complete(HELLO, "m") for _ in range(20)))

    asyncio.run(twenty())
    assert len(server.calls) == 20
    assert server.most_at_once == 3


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"base_url": "localhost:8000/v1"}, "base_url 'localhost:8000/v1' is no http:// or https:// address"),
        ({"base_url": "http://me:secret@host/v1"}, "base_url holds a user name or password"),
        ({"concurrency": 0}, "concurrency is 0; it has to be at least 1"),
        (
            {"requests_per_minute": 0, "tokens_per_minute": -1, "timeout_s": 0.0},
            "requests_per_minute is 0; it has to be at least 1; tokens_per_minute is -1; it has to be at least 1; "
            "timeout_s is 0.0; it has to be above 0",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_before_any_call(settings, problem):
    with pytest.raises(InputError) as caught:
        ChatClient(**{"base_url": "http://127.0.0.1:9/v1", "api_key_env": "TEST_KEY", **settings})
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-two\nlines", "sk-dash–ed"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(monkeypatch, key):
    monkeypatch.setenv("TEST_KEY", key)
    with pytest.raises(InputError, match="the key in TEST_KEY holds characters") as caught:
        ChatClient("http://127.0.0.1:9/v1", "TEST_KEY")
    assert "sk-" not in str(caught.value)


def test_a_refusal_by_the_model_is_no_text_of_its(server):
    server.default = declines("I cannot help with that.")
    reply = ask(server)
    assert (reply.text, reply.finish_reason) == ("I cannot help with that.", "content_filter")
    assert not reply.is_complete


def test_the_model_that_answers_is_the_one_reported(server):
    server.default = says("Hi.", model="another")
    assert ask(server).model == "another"


def test_what_a_server_does_not_count_is_left_out(server):
    answer = says("Hi.")
    answer.body["usage"] = {"prompt_tokens": "many", "completion_tokens": 3, "prompt_tokens_details": None}
    server.default = answer
    assert ask(server).usage == {"completion_tokens": 3}


def test_requests_per_minute_are_a_ceiling(server):
    async def some() -> float:
        async with ChatClient(server.base_url, "TEST_KEY", requests_per_minute=1200) as chat:
            start = time.monotonic()
            await asyncio.gather(*(chat.complete(HELLO, "m") for _ in range(40)))
            return time.monotonic() - start

    assert asyncio.run(some()) >= 0.95  # 20 at once, which is a second's worth, and 20 more


def test_tokens_per_minute_are_a_ceiling_corrected_by_what_the_server_counts(server):
    async def some() -> float:
        async with ChatClient(server.base_url, "TEST_KEY", tokens_per_minute=13 * 60 * 10) as chat:
            start = time.monotonic()
            await asyncio.gather(*(chat.complete(HELLO, "m", max_tokens=1) for _ in range(25)))
            return time.monotonic() - start

    took_s = asyncio.run(some())  # 13 tokens each, so 10 a second
    assert 1.0 <= took_s < 4.0


def test_the_limit_of_a_real_server_is_found_and_used(server):
    server.delay_s, server.most_in_flight = 0.25, 60
    chat = ChatClient(server.base_url, "TEST_KEY")

    async def ask_one(chat: ChatClient, number: int) -> Reply:
        return await chat.complete([{"role": "user", "content": f"{number}"}], "m")

    start = time.monotonic()
    assert len(list(in_order_of_completion(chat, range(1200), ask_one))) == 1200
    ideal_s = 1200 / 60 * server.delay_s
    assert ideal_s / (time.monotonic() - start) > 0.5  # 0.85 on an idle machine: benchmarks/endpoint_throughput.md
    assert len(server.calls) < 1260


def test_connections_are_kept_also_beyond_the_hundred_of_the_default_pool(server):
    server.delay_s = 0.1

    async def many() -> None:
        async with ChatClient(server.base_url, "TEST_KEY", concurrency=150) as chat:
            for _ in range(3):
                await asyncio.gather(*(chat.complete(HELLO, "m") for _ in range(150)))

    asyncio.run(many())
    assert len(server.calls) == 450
    assert len(server.peers) <= 150
