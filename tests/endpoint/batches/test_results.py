import json
from dataclasses import replace

import pytest
from batch_endings import ends_early, fails, result_row
from batch_sending import answers, asked, requests, scripted, texts
from batch_sending import batch_server as batch_server
from batch_sending import send as send
from batch_server import Fault
from chat_server import CUT_OFF, KEY, Answer, refuses, says

from skillmix_lightning.endpoint.batches import BatchResult
from skillmix_lightning.endpoint.failures import Unavailable
from skillmix_lightning.errors import InputError


def test_results_may_come_in_any_order_and_twice(send, batch_server):
    batch_server.endings = [lambda ending: ending.output.reverse() or ending.output.extend(ending.output[:2])]
    assert texts(send(requests(4))) == answers(4)
    assert len(batch_server.batches) == 1


def test_rows_of_requests_that_were_not_sent_are_left_out(send, batch_server):
    batch_server.endings = [lambda ending: ending.output.append(result_row("f" * 64, says("Not asked for.")))]
    assert texts(send(requests(2))) == answers(2)


def test_an_answer_counts_even_if_the_same_request_has_an_error_too(send, batch_server):
    def both(ending):
        ending.errors += [{**row, "response": None, "error": {"code": "x", "message": "y"}} for row in ending.output]
        ending.output.insert(0, {**ending.errors[0]})

    batch_server.endings = [both]
    assert texts(send(requests(2))) == answers(2)
    assert len(batch_server.batches) == 1


@pytest.mark.parametrize(
    "ruin",
    [
        lambda row: {**row, "response": {"status_code": 200, "body": None}},
        lambda row: {**row, "response": {"status_code": 200, "body": {"choices": []}}},
        lambda row: {**row, "response": {"status_code": 200, "body": {"choices": [{"message": {"content": 7}}]}}},
        lambda row: {**row, "response": {"status_code": 429, "body": {"error": {"message": "slow down"}}}},
        lambda row: {**row, "response": {"status_code": 500, "body": "oops"}},
        lambda row: {**row, "response": None},
        lambda row: {**row, "custom_id": None},
        lambda row: [row],
    ],
)
def test_a_row_without_an_answer_is_asked_for_in_another_batch(send, batch_server, ruin):
    def ending(ending):
        ending.output[1] = ruin(ending.output[1])
        ending.counted = 0

    batch_server.endings = [ending]
    results = send(requests(3))
    assert texts(results) == answers(3)
    assert asked(batch_server) == [["0", "1", "2"], ["1"]]
    assert [results[f"key {number}"].reply.attempts for number in range(3)] == [1, 2, 1]


def test_a_torn_last_line_is_no_answer(send, batch_server):
    def tear(ending):
        row = ending.output.pop()
        ending.tail = json.dumps(row).encode()[:-20]

    batch_server.endings = [tear]
    assert texts(send(requests(3))) == answers(3)
    assert asked(batch_server) == [["0", "1", "2"], ["2"]]


def test_a_file_with_fewer_rows_than_the_server_counts_is_downloaded_again(send, batch_server):
    def hold_back(ending):
        batch_server.faults["GET /files/content"] = [Fault(Answer(b'{"custom_id": "not all'))]

    batch_server.endings = [hold_back]
    assert texts(send(requests(3))) == answers(3)
    assert batch_server.calls.count("GET /files/content") == 2
    assert len(batch_server.batches) == 1


def test_a_download_that_is_cut_off_is_made_again(send, batch_server):
    batch_server.faults["GET /files/content"] = [Fault(replace(CUT_OFF, body=b"x" * 1000))]
    assert texts(send(requests(3))) == answers(3)
    assert len(batch_server.batches) == 1


def test_what_can_pass_is_tried_in_another_batch_with_what_else_is_missing(send, batch_server):
    failing = {"Request 1": [refuses(429, "slow down"), refuses(500, "oops")], "Request 2": [refuses(503, "busy")]}
    batch_server.respond = scripted(failing)
    results = send(requests(4))
    assert texts(results) == answers(4)
    assert asked(batch_server) == [["0", "1", "2", "3"], ["1", "2"], ["1"]]
    assert results["key 1"].reply.attempts == 3


def test_what_keeps_failing_is_given_up_and_says_why(send, batch_server):
    batch_server.respond = scripted({"Request 1": [refuses(500, f"oops {KEY}")] * 9})
    results = send(requests(2), max_attempts=2)
    assert results["key 1"] == BatchResult("key 1", None, "the server answers 500: oops ***; given up after 2 batches")
    assert asked(batch_server) == [["0", "1"], ["1"]]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (refuses(400, "too\nlong"), "the server answers 400: too long"),
        (refuses(404, "no such model"), "the server answers 404: no such model"),
        (refuses(429, "pay first", "insufficient_quota"), "the server answers 429: pay first"),
    ],
)
def test_what_asking_again_cannot_mend_fails_at_once(send, batch_server, answer, failure):
    batch_server.respond = scripted({"Request 1": [answer]})
    results = send(requests(2))
    assert results["key 0"].reply.text == "You say: Request 0"
    assert results["key 1"] == BatchResult("key 1", None, failure)
    assert len(batch_server.batches) == 1


def test_a_reply_that_is_cut_or_filtered_is_a_reply(send, batch_server):
    batch_server.respond = lambda body: says("It is", "length")
    assert send(requests(1))["key 0"].reply.finish_reason == "length"


@pytest.mark.parametrize("status", ["expired", "cancelled"])
@pytest.mark.parametrize("with_rows", [True, False])
def test_what_a_batch_that_ended_early_did_not_answer_is_sent_again(send, batch_server, status, with_rows):
    batch_server.endings = [ends_early(status, 2, with_rows)]
    assert texts(send(requests(4))) == answers(4)
    assert asked(batch_server) == [["0", "1", "2", "3"], ["2", "3"]]
    assert set(batch_server.answered.values()) == {1}


def test_batches_that_keep_expiring_are_given_up(send, batch_server):
    batch_server.endings = [ends_early("expired", 0)] * 9
    failure = (
        "the batch gives no answer to it (This request could not be executed before the window ended.); "
        "given up after 3 batches"
    )
    assert send(requests(1))["key 0"].failure == failure
    assert len(batch_server.batches) == 3


def test_a_refused_line_fails_its_request_and_the_others_are_sent_again(send, batch_server):
    batch_server.endings = [fails("invalid_request", "no such model", line=2)] + [fails("x", "bad", line=1)] * 4
    results = send(requests(8))
    refused = {1: "no such model", 0: "bad", 2: "bad", 3: "bad", 4: "bad"}
    failures = {f"key {number}": f"the server refuses it: {said}" for number, said in refused.items()}
    assert {key: result.failure for key, result in results.items() if result.failure} == failures
    assert asked(batch_server)[-1] == ["5", "6", "7"]


def test_a_batch_that_fails_for_no_line_is_tried_again_and_given_up(send, batch_server):
    batch_server.endings = [fails("internal", "something broke")] * 3
    line = "its batch ended as failed without an answer to it (something broke); given up after 3 batches"
    assert send(requests(1))["key 0"].failure == line


def test_too_many_waiting_tokens_make_batches_smaller_and_come_one_by_one(send, batch_server):
    batch_server.endings = [fails("token_limit_exceeded", "Enqueued token limit reached")] * 2
    assert texts(send(requests(8))) == answers(8)
    assert [len(ids) for ids in asked(batch_server)] == [8, 4, 2, 2, 2, 2]
    assert batch_server.most_open == 1


def test_a_server_without_room_for_one_request_ends_it_resumably(send, batch_server):
    batch_server.endings = [fails("token_limit_exceeded", "Enqueued token limit reached")] * 2
    with pytest.raises(Unavailable, match="too many tokens waiting to take even one request"):
        send(requests(2))
    assert texts(send(requests(2))) == answers(2)


def test_an_account_out_of_quota_ends_it_at_once_and_resumes(send, batch_server):
    batch_server.endings = [fails("billing_hard_limit_reached", "Billing hard limit has been reached")]
    with pytest.raises(InputError, match="out of quota \\(Billing hard limit has been reached\\); add credit"):
        send(requests(2))
    assert texts(send(requests(2))) == answers(2)
    assert asked(batch_server) == [["0", "1"], ["0", "1"]]
