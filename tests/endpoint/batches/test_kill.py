"""A sender of batches killed anywhere loses nothing and asks, and pays, for nothing twice."""

import os
import random
import signal
import time
from collections import Counter

import pytest
from batch_child import REQUESTS, Job, Zygote, recorded
from batch_server import BatchServer, echo
from chat_server import KEY, refuses, serving

from skillmix_lightning.endpoint.batches.journal import open_journal

FLAKY, REFUSED = "Request 1", "Request 2"


class Run:
    """A server and the folder of a sender: request 1 fails once in a way that passes, request 2 is always refused."""

    def __init__(self, server, folder):
        folder.mkdir(exist_ok=True)
        server.clear()
        self.server = server
        self.folder = folder
        self.failed = Counter()
        self.server.respond = self._respond

    def _respond(self, body):
        said = body["messages"][-1]["content"]
        if said == FLAKY and not self.failed[said]:
            self.failed[said] += 1
            return refuses(500, "oops")
        return refuses(400, "not this") if said == REFUSED else echo(body)

    def job(self, **settings) -> Job:
        return Job(self.server.base_url, str(self.folder / "batches"), str(self.folder / "records.jsonl"), **settings)

    def records(self) -> list[dict]:
        return sorted(recorded(self.folder / "records.jsonl"), key=lambda record: record["key"])

    def check_nothing_is_asked_or_paid_for_twice(self):
        rows = [row for rows in self.server.inputs() for row in rows]
        by_text = {row["custom_id"]: row["body"]["messages"][-1]["content"] for row in rows}
        asked = {by_text[id]: count for id, count in self.server.asked.items()}
        answered = {by_text[id]: count for id, count in self.server.answered.items()}
        texts = [f"Request {number}" for number in range(REQUESTS)]
        assert asked == {text: 2 if text == FLAKY else 1 for text in texts}
        assert answered == {text: 1 for text in texts if text != REFUSED}


def expected() -> list[dict]:
    def record(number: int) -> dict:
        text = f"Request {number}"
        if text == REFUSED:
            failure = {"text": None, "failure": "the server answers 400: not this", "attempts": None}
            return {"key": f"key {number}", **failure}
        attempts = 2 if text == FLAKY else 1
        return {"key": f"key {number}", "text": f"You say: {text}", "failure": "", "attempts": attempts}

    return [record(number) for number in range(REQUESTS)]


@pytest.fixture(scope="module")
def server():
    server = BatchServer()
    with serving(server.routes()) as server.base_url:
        yield server


@pytest.fixture(scope="module")
def zygote():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_KEY", KEY)
        with Zygote() as running:
            yield running


def test_killed_at_every_mark_it_ends_as_if_it_had_not_been(tmp_path, server, zygote):
    kill_at, killed = 0, True
    while killed:
        kill_at += 1
        run = Run(server, tmp_path / str(kill_at))
        status = zygote.run(run.job(kill_at=kill_at))
        killed = status == -signal.SIGKILL
        assert killed or status == 0
        if killed:
            assert zygote.run(run.job()) == 0, f"killed at mark {kill_at}"
        assert run.records() == expected(), f"killed at mark {kill_at}"
        run.check_nothing_is_asked_or_paid_for_twice()
        assert len([file for file in server.files.values() if file.purpose == "batch"]) == len(server.batches)
        with open_journal(tmp_path / str(kill_at) / "batches", server.base_url) as journal:
            assert [submission.status for submission in journal.submissions.values()] == ["completed"] * 2
    assert kill_at > 30


def test_killed_again_and_again_at_random_moments_it_ends_as_if_it_had_not_been(tmp_path, server, zygote):
    draw = random.Random(0)
    kills, runs = 0, 0
    while kills < 20:
        runs += 1
        run = Run(server, tmp_path / str(runs))
        # Every answer comes a little after its deed, so that many a kill falls between the two.
        calls = ["POST /files", "POST /batches", "GET /batches", "GET /batches/id", "GET /files/content"]
        server.delays_s = dict.fromkeys(calls, 0.01)
        status = -signal.SIGKILL
        while status == -signal.SIGKILL:
            status = zygote.run(run.job(max_requests=2), kill_after_s=draw.uniform(0.02, 0.4))
            kills += status == -signal.SIGKILL
        assert status == 0
        assert run.records() == expected()
        run.check_nothing_is_asked_or_paid_for_twice()


def test_two_senders_at_once_are_refused(tmp_path, server, zygote):
    run = Run(server, tmp_path)
    server.looks_needed = 10_000
    with Zygote() as other:
        pid = zygote.start(run.job())
        while not server.batches:
            time.sleep(0.01)
        assert other.run(run.job()) == 1
        os.kill(pid, signal.SIGKILL)
        assert zygote.ended() == -signal.SIGKILL
    assert len(server.batches) == 1
