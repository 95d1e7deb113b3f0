from dataclasses import replace

import pytest
from batch_sending import answers, asked, request, requests, texts
from batch_sending import batch_server as batch_server
from batch_sending import send as send
from chat_server import KEY

from skillmix_lightning.endpoint.batches import BatchClient, BatchProgress, BatchResult
from skillmix_lightning.endpoint.reply import Reply
from skillmix_lightning.errors import InputError


def test_every_request_gets_its_reply_from_one_batch(send, batch_server):
    results = send(requests(5))
    usage = {"prompt_tokens": 10, "completion_tokens": 3}
    assert texts(results) == answers(5)
    assert results["key 3"] == BatchResult("key 3", Reply("You say: Request 3", "stop", usage, "m-0613"))
    assert batch_server.calls == [
        "POST /files",
        "POST /batches",
        "GET /batches/id",
        "GET /batches/id",
        "GET /files/content",
    ]
    assert set(batch_server.authorizations) == {f"Bearer {KEY}"}


def test_a_line_of_a_batch_file_is_the_request_under_a_hash(send, batch_server):
    send([request(0, options={"temperature": 0.5, "max_tokens": 10})])
    ((row,),) = batch_server.inputs()
    id = row.pop("custom_id")
    assert len(id) == 64
    assert int(id, 16) >= 0
    messages = [{"role": "user", "content": "Request 0"}]
    body = {"model": "m", "messages": messages, "temperature": 0.5, "max_tokens": 10}
    assert row == {"method": "POST", "url": "/v1/chat/completions", "body": body}


def test_no_requests_are_no_calls(send, batch_server):
    assert send([]) == {}
    assert batch_server.calls == []


def test_a_batch_holds_no_more_requests_than_allowed(send, batch_server):
    assert texts(send(requests(7), max_requests=3)) == answers(7)
    assert asked(batch_server) == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_a_batch_file_holds_no_more_bytes_than_allowed(send, batch_server):
    assert texts(send(requests(7), max_bytes=500)) == answers(7)
    sizes = [len(batch_server.files[batch.input_file_id].content) for batch in batch_server.batches.values()]
    assert max(sizes) <= 500
    assert sum(map(len, asked(batch_server))) == 7
    assert len(sizes) == 4


def test_a_batch_asks_one_model(send, batch_server):
    send([request(number, model="ab"[number % 2]) for number in range(4)])
    assert asked(batch_server) == [["0", "2"], ["1", "3"]]


def test_requests_that_are_the_same_are_sent_once_and_charged_once(send, batch_server):
    twins = [request(0), replace(request(0), key="twin"), replace(request(0), key="next round", round=1)]
    results = send(twins)
    assert texts(results) == dict.fromkeys(["key 0", "twin", "next round"], "You say: Request 0")
    assert [result.reply.cached for result in results.values()] == [False, True, False]
    assert asked(batch_server) == [["0", "0"]]


def test_requests_that_cannot_be_sent_are_listed_at_once_and_nothing_is_sent(send, batch_server):
    bad = [
        request(0),
        request(0, options={"n": 3}),
        request(1, options={"stream": True}),
        replace(request(2), messages=[]),
        request(3, options={"seed": object()}),
        replace(request(4), messages=[{"role": "user", "content": "x" * 1000}]),
    ]
    with pytest.raises(InputError) as caught:
        send(bad, max_bytes=1000)
    line = str(caught.value)
    assert "two requests have the key 'key 0'" in line
    assert "request 'key 0': one reply each is read; ask for several by several requests" in line
    assert "request 'key 1': a batch cannot stream" in line
    assert "request 'key 2': it has no messages" in line
    assert "request 'key 3': no JSON can hold it" in line
    assert "request 'key 4': it has 1" in line
    assert "\n" not in line
    assert batch_server.calls == []


def test_progress_is_told_after_every_poll(send, batch_server):
    told: list[BatchProgress] = []
    send(requests(3), progress=told.append)
    assert told == [BatchProgress(3, 0, 0, 1), BatchProgress(3, 3, 0, 0)]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"base_url": "http://me:secret@host/v1"}, "base_url holds a user name or password"),
        ({"max_requests": 0}, "max_requests is 0, and has to be at least 1"),
        ({"poll_seconds": -1}, "poll_seconds is -1, and has to be at least 0"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_any_call(tmp_path, settings, problem):
    with pytest.raises(InputError, match=problem):
        BatchClient(**{"base_url": "http://127.0.0.1:9/v1", "api_key_env": "TEST_KEY", "folder": tmp_path, **settings})
