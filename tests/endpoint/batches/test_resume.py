import pytest
from batch_sending import answers, asked, client, requests, scripted, texts
from batch_sending import batch_server as batch_server
from batch_sending import send as send
from batch_server import Fault
from chat_server import refuses

from skillmix_lightning.endpoint import retry
from skillmix_lightning.endpoint.batches import BatchClient, work
from skillmix_lightning.endpoint.failures import Unavailable
from skillmix_lightning.errors import InputError


def test_what_was_answered_is_given_again_without_a_call(send, batch_server):
    first = send(requests(3))
    calls = list(batch_server.calls)
    assert send(requests(3)) == first
    assert batch_server.calls == calls
    assert texts(send(requests(4))) == answers(4)
    assert asked(batch_server) == [["0", "1", "2"], ["3"]]


def test_a_caller_that_stops_early_loses_nothing(send, batch_server, tmp_path):
    results = client(batch_server, tmp_path, max_requests=2).complete_many(requests(6))
    next(results)
    results.close()
    assert texts(send(requests(6))) == answers(6)
    assert asked(batch_server) == [["0", "1"], ["2", "3"], ["4", "5"]]


def test_a_failure_that_was_told_is_forgotten(send, batch_server):
    batch_server.respond = scripted({"Request 1": [refuses(429, "pay first", "insufficient_quota")]})
    assert send(requests(2))["key 1"].failure == "the server answers 429: pay first"
    results = send(requests(2))
    assert texts(results) == answers(2)
    assert results["key 1"].reply.attempts == 1
    assert asked(batch_server) == [["0", "1"], ["1"]]


def test_batches_under_way_are_waited_for_even_if_nothing_of_them_is_asked_for(send, batch_server, monkeypatch):
    monkeypatch.setattr(work, "OUTAGE_S", 0.0)
    batch_server.faults["GET /batches/id"] = [Fault(refuses(500, "oops"))] * retry.ATTEMPTS
    with pytest.raises(Unavailable):
        send(requests(2))
    assert send([]) == {}
    calls = list(batch_server.calls)
    assert texts(send(requests(2))) == answers(2)
    assert batch_server.calls == calls


def test_a_planned_batch_is_not_sent_if_part_of_it_is_not_asked_for_any_more(send, batch_server):
    batch_server.faults["POST /files"] = [Fault(refuses(401, "who?"))]
    with pytest.raises(InputError):
        send(requests(3))
    assert texts(send(requests(2))) == answers(2)
    assert asked(batch_server) == [["0", "1"]]


def test_a_file_that_was_uploaded_is_used(send, batch_server):
    batch_server.faults["POST /batches"] = [Fault(refuses(401, "who?"))]
    with pytest.raises(InputError):
        send(requests(3))
    assert texts(send(requests(3))) == answers(3)
    assert batch_server.calls.count("POST /files") == 1


def test_a_batch_that_the_server_does_not_know_is_said(send, batch_server, monkeypatch):
    monkeypatch.setattr(work, "OUTAGE_S", 0.0)
    batch_server.faults["GET /batches/id"] = [Fault(refuses(500, "oops"))] * retry.ATTEMPTS
    with pytest.raises(Unavailable):
        send(requests(2))
    batch_server.batches.clear()
    with pytest.raises(InputError, match="the batch batch_0 is not at the server, so 2 requests cannot be collected"):
        send(requests(2))


def test_a_batch_that_was_just_made_may_take_a_moment_to_turn_up(send, batch_server):
    batch_server.faults["GET /batches/id"] = [Fault(refuses(404, "No such batch"))]
    assert texts(send(requests(2))) == answers(2)
    assert len(batch_server.batches) == 1


def test_a_folder_belongs_to_one_server(send, batch_server, tmp_path):
    send(requests(1))
    other = BatchClient("http://127.0.0.1:9/v1", "TEST_KEY", tmp_path / "batches")
    with pytest.raises(InputError, match=r"its batches are at http://127.0.0.1:\d+/v1, not http://127.0.0.1:9/v1; set"):
        list(other.complete_many(requests(1)))


def test_a_second_sender_from_the_same_folder_is_refused(send, batch_server, tmp_path):
    results = client(batch_server, tmp_path).complete_many(requests(2))
    next(results)
    with pytest.raises(InputError, match="another process sends batches from it"):
        send(requests(2))
    results.close()
    assert texts(send(requests(2))) == answers(2)


def test_a_journal_that_is_none_is_said_with_its_line(send, batch_server, tmp_path):
    send(requests(1))
    journal = tmp_path / "batches" / "journal.jsonl"
    journal.write_text(journal.read_text() + '{"event": "guessed"}\n')
    with pytest.raises(InputError, match=r"journal.jsonl, line 6: not a journal of batches \(ValueError: unknown"):
        send(requests(1))


def test_a_folder_that_cannot_be_made_is_said(batch_server, tmp_path):
    (tmp_path / "batches").write_text("a file")
    with pytest.raises(InputError, match="batches cannot be recorded there"):
        list(client(batch_server, tmp_path).complete_many(requests(1)))
