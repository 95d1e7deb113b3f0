import traceback

import pytest
from batch_endings import fails
from batch_sending import answers, asked, requests, scripted, texts
from batch_sending import batch_server as batch_server
from batch_sending import send as send
from batch_server import Fault
from chat_server import CUT_OFF, KEY, MALFORMED, Answer, refuses

from skillmix_lightning.endpoint import retry
from skillmix_lightning.endpoint.batches import work
from skillmix_lightning.endpoint.failures import Unavailable
from skillmix_lightning.errors import InputError

CALLS = ["POST /files", "POST /batches", "GET /batches/id", "GET /files/content"]
NOTHING = Answer({})
WEB_PAGE = Answer("<html>hello</html>")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("answer", [refuses(429, "slow down", Retry_After="0"), refuses(500, "oops"), CUT_OFF, NOTHING])
def test_a_call_that_fails_is_made_again_and_no_batch_twice(send, batch_server, call, answer):
    batch_server.faults[call] = [Fault(answer)]
    assert texts(send(requests(2))) == answers(2)
    assert len(batch_server.batches) == 1


@pytest.mark.parametrize("answer", [refuses(500, "oops"), CUT_OFF, MALFORMED, NOTHING, WEB_PAGE])
def test_a_batch_whose_making_seems_to_fail_is_found_and_not_made_again(send, batch_server, answer):
    batch_server.faults["POST /batches"] = [Fault(answer, after=True)]
    batch_server.faults["GET /batches"] = [
        Fault(refuses(500, "oops")),
        Fault(WEB_PAGE),
        Fault(MALFORMED),
        Fault(NOTHING),
    ]
    assert texts(send(requests(2))) == answers(2)
    assert batch_server.calls.count("POST /batches") == 1


def test_a_batch_is_found_among_many_others(send, batch_server):
    batch_server.page = 2
    other = batch_server._store("other.jsonl", "batch", b"")
    batch_server.faults["POST /batches"] = [Fault(refuses(500, "oops"), after=True)]
    for _ in range(7):
        batch_server._create({"input_file_id": other.id})
    original = batch_server._list_batches

    def list_after_more(asked):
        if "after" not in asked and len(batch_server.batches) < 12:
            for _ in range(5):
                batch_server._create({"input_file_id": other.id})
        return original(asked)

    batch_server._list_batches = list_after_more
    assert texts(send(requests(2))) == answers(2)
    assert [row for row in asked(batch_server) if row] == [["0", "1"]]


def test_a_batch_that_turns_up_a_little_late_is_not_made_again(send, batch_server):
    batch_server.faults["POST /batches"] = [Fault(refuses(500, "oops"), late_s=0.1)]
    assert texts(send(requests(2), settle_s=0.4)) == answers(2)
    assert len(batch_server.batches) == 1


def test_a_batch_that_turns_up_after_another_was_made_leaves_one_and_cancels_the_other(send, batch_server):
    batch_server.faults["POST /batches"] = [Fault(refuses(500, "oops"), late_s=0.1)]
    batch_server.delays_s = {"POST /batches": 0.3}
    batch_server.faults["GET /batches"] = [Fault(Answer({"object": "list", "data": [], "has_more": False}))] * 2
    assert texts(send(requests(2))) == answers(2)
    assert [batch.status for batch in batch_server.batches.values()] == ["completed", "cancelled"]
    assert set(batch_server.answered.values()) == {1}


def test_a_server_that_keeps_failing_is_given_up_and_work_goes_on_from_there(send, batch_server, monkeypatch):
    monkeypatch.setattr(work, "OUTAGE_S", 0.0)
    batch_server.faults["GET /batches/id"] = [Fault(refuses(500, "oops"))] * retry.ATTEMPTS
    with pytest.raises(Unavailable, match=f"given up after {retry.ATTEMPTS} attempts"):
        send(requests(2))
    assert texts(send(requests(2))) == answers(2)
    assert len(batch_server.batches) == 1


@pytest.mark.parametrize("call", ["GET /batches/id", "GET /files/content"])
def test_an_outage_while_waiting_is_sat_out(send, batch_server, call):
    batch_server.faults[call] = [Fault(refuses(500, "oops"))] * 20
    assert texts(send(requests(2))) == answers(2)
    assert len(batch_server.batches) == 1


@pytest.mark.parametrize("call", CALLS[:3])
@pytest.mark.parametrize(
    ("answer", "mend"),
    [
        (refuses(401, f"Incorrect key: {KEY}"), "set the key in the variable named by api_key_env (TEST_KEY)"),
        (refuses(429, "pay", "insufficient_quota"), "the account behind the key in TEST_KEY is out of quota"),
    ],
)
def test_a_refusal_is_one_line_without_the_key(send, batch_server, call, answer, mend):
    batch_server.faults[call] = [Fault(answer)]
    with pytest.raises(InputError) as caught:
        send(requests(2))
    told = "".join(traceback.format_exception(caught.value))
    assert mend in told
    assert KEY not in told
    assert "\n" not in str(caught.value)
    assert texts(send(requests(2))) == answers(2)
    assert len(batch_server.batches) == 1


def test_the_key_is_in_no_file(send, batch_server, tmp_path):
    batch_server.respond = scripted({"Request 0": [refuses(401, f"Incorrect key: {KEY}")] * 2})
    batch_server.endings = [fails("x", f"Incorrect key: {KEY}")]
    assert send(requests(2))["key 0"].failure == "the server answers 401: Incorrect key: ***"
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 4
    assert not [content for content in written if KEY.encode() in content]
