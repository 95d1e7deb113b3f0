"""What the client does about failures: tries again, gives up, and says what to mend."""

import email.utils
import time
import traceback
from collections import Counter

import httpx2
import openai
import pytest
from asking import ask, failure_of
from asking import short_waits as short_waits  # a fixture
from chat_server import (
    CUT_OFF,
    HANGS,
    INCOMPLETE,
    KEY,
    MALFORMED,
    NO_CHOICES,
    PASSING,
    Answer,
    refuses,
    says,
    sometimes,
)

from skillmix_lightning.endpoint import (
    ChatClient,
    Reply,
    Services,
    Unavailable,
    failures,
    in_order_of_completion,
    retry,
)
from skillmix_lightning.endpoint.cache import ResponseCache


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 529])
def test_a_failure_that_can_pass_is_tried_again(server, status):
    server.script = [refuses(status, "not now"), refuses(status, "not now", Retry_After="0"), says("Hi.")]
    assert ask(server).text == "Hi."
    assert len(server.calls) == 3


@pytest.mark.parametrize("bad", [CUT_OFF, MALFORMED, NO_CHOICES, Answer("", headers={"Content-Type": "text/plain"})])
def test_a_broken_reply_is_asked_for_again(server, bad):
    server.script = [bad, bad, says("Hi.")]
    assert ask(server).attempts == 3


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
        f"the server at {server.base_url} answers 503: it fails (it says: overloaded); given up after 8 attempts"
    )
    assert len(server.calls) == 8


def test_a_server_that_keeps_sending_nothing_of_use_is_given_up(server):
    server.default = NO_CHOICES
    assert str(failure_of(server)) == (
        f"the server at {server.base_url} sends a chat completion without choices; does base_url end in /v1?; "
        "given up after 8 attempts"
    )


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
        (
            refuses(400, "too long", "context_length_exceeded"),
            "answers 400: prompt and reply together are longer than the model's context; lower max_tokens or set",
        ),
        (
            refuses(
                400,
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
                "instead.",
                "unsupported_parameter",
            ),
            "answers 400: it knows the limit of a reply by another name; set max_tokens_parameter to "
            "max_completion_tokens (it says: Unsupported parameter: 'max_tokens' is not",
        ),
        (
            refuses(400, "Unrecognized request argument supplied: max_completion_tokens"),
            "answers 400: it knows the limit of a reply by another name; set max_tokens_parameter to max_tokens (",
        ),
        (
            refuses(400, "max_tokens is too large: 9000. This model supports at most 4096 completion tokens."),
            "answers 400: it rejects the request (it says: max_tokens is too large",
        ),
        (refuses(402, "no credit"), "answers 402: the account behind the key in TEST_KEY is out of quota"),
        (Answer("<html>hello</html>"), "sends a web page; does base_url end in /v1?"),
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


def test_a_server_that_is_silent_is_given_up(server, monkeypatch):
    monkeypatch.setattr(retry, "ATTEMPTS", 2)
    server.default = HANGS
    line = str(failure_of(server, timeout_s=0.05))
    assert "does not answer in time (" in line
    assert "raise timeout_s, or check that the server runs" in line


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": email.utils.formatdate(1000.0, usegmt=True)}, 10.0),
        ({"retry-after": email.utils.formatdate(900.0, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"x-ratelimit-reset-requests": "20ms"}, 0.02),
        ({"x-ratelimit-reset-requests": "1m30s"}, 60.0),
        ({"x-ratelimit-reset-requests": "8.64s", "x-ratelimit-reset-tokens": "2s"}, 8.64),
        ({"x-ratelimit-reset-requests": "9s", "x-ratelimit-remaining-requests": "5"}, None),
        ({"x-ratelimit-reset-tokens": "12", "x-ratelimit-remaining-tokens": "0"}, 12.0),
        ({"x-ratelimit-reset-tokens": "in a while"}, None),
    ],
)
def test_the_wait_a_server_asks_for_is_read_from_its_headers(headers, seconds):
    response = httpx2.Response(429, headers=headers, request=httpx2.Request("POST", "http://x"))
    error = openai.RateLimitError("slow down", response=response, body=None)
    assert failures.asked_wait(error, now=990.0) == seconds


def test_with_a_fifth_of_the_replies_failing_every_call_ends_exactly_once(server, tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "REFUSALS", 100)
    bad = [*PASSING.values(), *INCOMPLETE.values()]
    server.respond = sometimes(0.2, bad, lambda call: says(call["messages"][0]["content"]))
    cache = ResponseCache(tmp_path / "cache.sqlite")

    async def end_of(chat: ChatClient, number: int) -> tuple[int, Reply | Unavailable]:
        try:
            return number, await chat.complete([{"role": "user", "content": f"{number}"}], "m")
        except Unavailable as failure:
            return number, failure

    chat = ChatClient(server.base_url, "TEST_KEY", timeout_s=0.2, services=Services(cache))
    ends = list(in_order_of_completion(chat, range(150), end_of))
    assert Counter(number for number, _ in ends) == Counter(range(150))
    complete = [(number, end) for number, end in ends if isinstance(end, Reply) and end.is_complete]
    assert all(end.text == str(number) for number, end in complete)
    assert len(complete) > 100
    assert sum(model.replies for model in cache.models()) == len(complete)
    assert chat.limit.in_flight == 0
