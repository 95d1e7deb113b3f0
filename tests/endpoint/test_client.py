import asyncio
import email.utils
import time
import traceback

import httpx2
import openai
import pytest
from chat_server import KEY, Answer, refuses, says

from skillmix_lightning.endpoint import ChatClient, Reply, Unavailable, client, failures
from skillmix_lightning.errors import InputError

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.001)


def ask(server, **settings) -> Reply:
    async def once() -> Reply:
        async with ChatClient(server.base_url, settings.pop("api_key_env", "TEST_KEY"), **settings) as chat:
            return await chat.complete(HELLO, "m", temperature=0.5)

    return asyncio.run(once())


def failure_of(server, **settings) -> InputError:
    with pytest.raises(InputError) as caught:
        ask(server, **settings)
    return caught.value


def test_one_request_is_one_call_with_all_that_was_asked(server):
    server.script = [says("Hi.", "length")]
    assert ask(server) == Reply("Hi.", "length", {"prompt_tokens": 10, "completion_tokens": 3}, "m-0613")
    assert server.calls == [{"messages": HELLO, "model": "m", "temperature": 0.5}]
    assert server.keys == [f"Bearer {KEY}"]


def test_a_local_server_needs_no_key(server):
    assert ask(server, api_key_env="NO_SUCH_VARIABLE").finish_reason == "stop"


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_a_failure_that_can_pass_is_tried_again(server, status):
    server.script = [refuses(status, "not now"), refuses(status, "not now", Retry_After="0"), says("Hi.")]
    assert ask(server).text == "Hi."
    assert len(server.calls) == 3


def test_a_server_is_given_the_time_it_asks_for(server):
    server.script = [refuses(429, "slow down", Retry_After="0.3"), says("Hi.")]
    start = time.monotonic()
    ask(server)
    assert time.monotonic() - start >= 0.3


def test_a_server_that_keeps_failing_is_given_up(server):
    server.default = refuses(503, "overloaded")
    error = failure_of(server)
    assert isinstance(error, Unavailable)
    assert str(error) == (
        f"the server at {server.base_url} answers 503: it rejects the request (it says: overloaded); "
        "given up after 6 attempts"
    )
    assert len(server.calls) == 6


def test_a_wait_longer_than_a_minute_is_left_to_the_user(server):
    server.script = [refuses(429, "come back later", Retry_After="3600")]
    assert str(failure_of(server)).endswith("it asks to wait 3600 s")
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("answer", "mend"),
    [
        (refuses(400, "unsupported value"), "answers 400: it rejects the request (it says: unsupported value)"),
        (refuses(401, "who?"), "answers 401: set the key in the variable named by api_key_env (TEST_KEY)"),
        (refuses(403, "no"), "answers 403: the key in TEST_KEY may not use this model; set model, or another key"),
        (refuses(404, "no such model"), "answers 404: check base_url (it usually ends in /v1) and model"),
        (
            refuses(429, "pay", "insufficient_quota", Retry_After="0"),
            "answers 429: the account behind the key in TEST_KEY is out of quota; add credit or set another key",
        ),
        (Answer("<html>hello</html>"), "sends no chat completion; does base_url end in /v1?"),
    ],
)
def test_what_asking_again_cannot_mend_fails_after_one_call(server, answer, mend):
    server.default = answer
    error = failure_of(server)
    assert mend in str(error)
    assert "\n" not in str(error)
    assert not isinstance(error, Unavailable)
    assert len(server.calls) == 1


@pytest.mark.parametrize("status", [401, 429, 500])
def test_no_key_is_in_a_message_even_if_the_server_quotes_it(server, status):
    server.default = refuses(status, f"Incorrect key: {KEY}", Retry_After="0")
    error = failure_of(server)
    told = "".join(traceback.format_exception(error))
    assert "Incorrect key: ***" in told
    assert KEY not in told
    assert error.__context__ is None
    assert error.__cause__ is None


def test_nobody_at_the_address_is_said_with_the_address(server, monkeypatch):
    monkeypatch.setattr(server, "base_url", "http://127.0.0.1:9/v1")
    line = str(failure_of(server))
    assert line.startswith("the server at http://127.0.0.1:9/v1 does not answer (")
    assert "check base_url, and that the server runs" in line


def test_a_server_that_is_silent_is_given_up(server):
    server.delay_s = 0.2
    assert "does not answer" in str(failure_of(server, timeout_s=0.02))


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


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        (email.utils.formatdate(1000.0, usegmt=True), 10.0),
        (email.utils.formatdate(900.0, usegmt=True), 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    response = httpx2.Response(429, headers={"retry-after": value}, request=httpx2.Request("POST", "http://x"))
    error = openai.RateLimitError("slow down", response=response, body=None)
    assert failures.asked_wait(error, now=990.0) == seconds
