"""`evaluate` with student and grader through the Batch API: killed, refused, short of money; a real HTTP server."""

import hashlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from batch_server import BatchServer
from chat_server import KEY, Answer, ChatServer, refuses, routes, says, serving
from killing import Forge, forge

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.cli import main
from skillmix_lightning.endpoint.batches.journal import open_journal
from skillmix_lightning.errors import InputError, Stopped
from skillmix_lightning.graders.endpoint import EndpointGrader
from skillmix_lightning.runs import Run
from skillmix_lightning.students.base import Request
from skillmix_lightning.students.endpoint import EndpointStudent

PLAN = ["--catalogue=language", "--splits=[train]", "--ks=[2]", "--combinations=3", "--generations=1", "--gradings=2"]
TEXTS, GRADES = 3, 3 * 2
#: What is under way when it is killed: the texts' first turn, their second, their grading.
STAGES = {"batch_0": TEXTS, "batch_1": TEXTS, "batch_2": GRADES}
PRICES = {name: {"input": 100.0, "output": 1000.0, "batch": 0.5} for name in ("writer", "judge")}

Evaluate = Callable[..., tuple[int, str]]


class Holding(BatchServer):
    """Keeps one batch under way for as long as it is told to."""

    held = ""

    def clear(self) -> None:
        super().clear()
        self.respond, self.held = answer, ""

    def _end(self, batch) -> None:
        if batch.id != self.held:
            super()._end(batch)

    def wait_for(self, batch_id: str) -> None:
        deadline = time.monotonic() + 30
        while batch_id not in self.batches or not self.batches[batch_id].looks:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def answer(call: dict) -> Answer:
    """A text or a table, decided by the request alone."""
    number = int(hashlib.sha256(json.dumps(call["messages"]).encode()).hexdigest(), 16)
    if call["model"] == "writer":
        return says(f"Answer: Text {number % 10**6}.\nExplanation: none.", model="writer-0613")
    criteria = re.findall(r"(?m)^- ((?:Correctly|Pertains|Text makes|At most) .*)$", call["messages"][-1]["content"])
    rows = "\n".join(f"| {criterion} | {number >> place & 1} |" for place, criterion in enumerate(criteria))
    return says(f"Here is the grading table:\n| Criteria | Points Earned |\n|---|---|\n{rows}\n", model="judge-0613")


@pytest.fixture(scope="module")
def calls() -> ChatServer:
    """Answers plain calls, beside the batches."""
    return ChatServer()


@pytest.fixture(scope="module")
def running(calls: ChatServer) -> Iterator[Holding]:
    server = Holding()
    with pytest.MonkeyPatch.context() as patch, serving(server.routes() + routes(calls)) as server.base_url:
        patch.setenv("TEST_KEY", KEY)
        yield server


@pytest.fixture
def server(running: Holding, calls: ChatServer) -> Holding:
    running.clear()
    calls.calls.clear()
    calls.respond = answer
    return running


@pytest.fixture(scope="module")
def attempts(running: Holding) -> Iterator[Forge]:
    with forge() as started:
        yield started


@pytest.fixture
def evaluate(server: Holding, capfd: pytest.CaptureFixture[str]) -> Evaluate:
    """Runs the verb in this process; returns the exit status and what it says."""

    def run(folder: Path, *more: str) -> tuple[int, str]:
        status = main(arguments(server, folder, *more))
        return status, capfd.readouterr().err

    return run


def arguments(server: Holding, folder: Path, *more: str) -> list[str]:
    served = [f"base_url={server.base_url}", "api_key_env=TEST_KEY", "batch=true", "batch_poll_seconds=0.01"]
    student = ["--student=EndpointStudent", "--student.model=writer", *(f"--student.{each}" for each in served)]
    grader = ["--grader=EndpointGrader", "--grader.model=judge", *(f"--grader.{each}" for each in served)]
    return ["evaluate", *PLAN, *student, *grader, f"--out={folder}", "--cache=off", "--json=true", *more]


def records(folder: Path) -> tuple[list, list]:
    texts = [(c.combination.id, c.generation, c.turns, c.text, c.usage) for c in Run(folder).compositions()]
    grades = [(g.combination_id, g.generation, g.grading, g.points, g.raw, g.usage) for g in Run(folder).grades()]
    return sorted(texts, key=lambda text: text[:2]), sorted(grades, key=lambda grade: grade[:3])


def killed_at(batch_id: str, server: Holding, attempts: Forge, folder: Path, *more: str) -> None:
    """An attempt that is killed while this batch is under way."""
    server.held = batch_id
    pid = attempts.start(arguments(server, folder, *more), folder.with_suffix(".out"))
    server.wait_for(batch_id)
    assert attempts.kill_after(pid, 0.0) == -9
    server.held = ""


def write_prices(folder: Path) -> Path:
    file = folder / "prices.yaml"
    file.write_text(yaml.safe_dump(PRICES))
    return file


def test_every_turn_and_every_grading_is_one_batch(server, evaluate, tmp_path):
    assert evaluate(tmp_path / "run")[0] == 0
    assert [len(rows) for rows in server.inputs()] == list(STAGES.values())
    first, second, grading = server.inputs()
    assert {len(row["body"]["messages"]) for row in first} == {1}
    assert {len(row["body"]["messages"]) for row in second} == {3}
    assert {row["body"]["model"] for row in grading} == {"judge"}
    texts, grades = records(tmp_path / "run")
    assert (len(texts), len(grades)) == (TEXTS, GRADES)
    assert all([turn["role"] for turn in turns] == ["user", "assistant"] * 2 for _, _, turns, _, _ in texts)


@pytest.mark.parametrize("stage", STAGES)
def test_killed_and_restarted_every_request_was_in_exactly_one_batch(stage, server, evaluate, attempts, tmp_path):
    assert evaluate(tmp_path / "whole")[0] == 0
    server.clear()
    folder = tmp_path / "killed"
    killed_at(stage, server, attempts, folder)
    assert evaluate(folder)[0] == 0

    assert [len(rows) for rows in server.inputs()] == list(STAGES.values())
    assert set(server.asked.values()) == set(server.answered.values()) == {1}
    assert server.calls.count("POST /batches") == server.calls.count("POST /files") == len(STAGES)
    assert records(folder) == records(tmp_path / "whole")
    submissions = []
    for part in ("student", "grader"):
        with open_journal(folder / "batches" / part, server.base_url) as journal:
            submissions += journal.submissions.values()
    assert [submission.status for submission in submissions] == ["completed"] * len(STAGES)


def test_a_batch_costs_its_price_and_a_killed_run_pays_once(server, evaluate, attempts, tmp_path):
    folder, money = tmp_path / "run", [f"--prices={write_prices(tmp_path)}", "--budget_usd=100"]
    killed_at("batch_1", server, attempts, folder, *money)
    assert evaluate(folder, *money)[0] == 0
    each = 0.5 * (10 * 100.0 + 3 * 1000.0) / 1e6  # the server counts 10 and 3 tokens
    run = Run(folder)
    assert sum(c.usage["cost_usd"] for c in run.compositions()) == pytest.approx(2 * TEXTS * each)
    assert sum(g.cost_usd for g in run.grades()) == pytest.approx(GRADES * each)
    assert run.manifest()["spent"]["usd"] == pytest.approx(sum(STAGES.values()) * each)


def test_what_is_under_way_counts_before_anything_else_is_sent(server, evaluate, attempts, tmp_path):
    folder, prices = tmp_path / "run", f"--prices={write_prices(tmp_path)}"
    killed_at("batch_0", server, attempts, folder, prices)
    status, said = evaluate(folder, prices, "--budget_usd=0.01")
    assert status == 1
    assert f"left to do: {TEXTS} of {TEXTS} texts, {GRADES} of {GRADES} grades" in said
    assert len(server.batches) == 1
    assert evaluate(folder, prices, "--budget_usd=100")[0] == 0
    assert set(server.asked.values()) == {1}


def test_a_text_that_is_refused_stops_the_run_after_the_others(server, evaluate, tmp_path):
    refused: list[str] = []

    def respond(call: dict) -> Answer:
        said = call["messages"][0]["content"]
        if call["model"] == "writer" and said in (refused or [said]):
            refused[:] = [said]
            return refuses(400, "not this")
        return answer(call)

    server.respond = respond
    status, said = evaluate(tmp_path / "run")
    assert status == 1
    assert "stopped: texts without an answer from their batches: 1 (the server answers 400: not this)" in said
    assert "left to do: 1 of 3 texts" in said
    server.respond = answer
    assert evaluate(tmp_path / "run")[0] == 0
    assert [len(rows) for rows in server.inputs()] == [3, 2, 1, 1, 6]


def test_a_grading_that_cannot_be_read_goes_into_another_batch(server, evaluate, tmp_path):
    server.respond = lambda call: says("Well.") if call["model"] == "judge" else answer(call)
    assert evaluate(tmp_path / "run", "--grader.attempts=2")[0] == 0
    assert [len(rows) for rows in server.inputs()] == [*STAGES.values(), GRADES]
    grades = Run(tmp_path / "run").grades()
    assert {(grade.status, bool(grade.reason), grade.usage["attempts"]) for grade in grades} == {("unparsed", True, 2)}
    status, said = evaluate(tmp_path / "run", "--grader.attempts=2", "--regrade=unscored")
    assert status == 2
    assert "give --grader.batch false" in said


def test_a_grading_that_gets_no_answer_says_why_and_is_asked_for_again(server, evaluate, tmp_path):
    server.respond = lambda call: refuses(400, "not this") if call["model"] == "judge" else answer(call)
    status, said = evaluate(tmp_path / "run")
    assert status == 1
    assert "6 of 6 grades are missing" in said
    grades = Run(tmp_path / "run").grades()
    assert {(grade.status, grade.reason) for grade in grades} == {("error", "the server answers 400: not this")}
    server.respond = answer
    assert evaluate(tmp_path / "run")[0] == 0
    assert {grade.status for grade in Run(tmp_path / "run").grades()[GRADES:]} == {"ok"}


def test_a_run_that_gives_up_batches_collects_what_is_under_way(server, calls, evaluate, attempts, tmp_path):
    folder, cache = tmp_path / "run", f"--cache={tmp_path / 'cache.sqlite'}"
    killed_at("batch_0", server, attempts, folder, cache)
    status, said = evaluate(folder, cache, "--student.batch=false", "--grader.batch=false")
    assert status == 0, said
    assert len(server.batches) == 1
    assert len(calls.calls) == TEXTS + GRADES  # the first turns were answered by the batch


def test_a_run_is_graded_again_in_one_batch(server, evaluate, tmp_path):
    assert evaluate(tmp_path / "run")[0] == 0
    server.clear()
    args = ["--grader=EndpointGrader", "--grader.model=other", f"--grader.base_url={server.base_url}"]
    args += ["--grader.api_key_env=TEST_KEY", "--grader.batch=true", "--grader.batch_poll_seconds=0.01"]
    assert main(["grade", str(tmp_path / "run"), *args, "--cache=off", f"--out={tmp_path / 'again'}"]) == 0
    assert [len(rows) for rows in server.inputs()] == [GRADES]
    assert {(grade.grader, grade.status) for grade in Run(tmp_path / "again").grades()} == {("other", "ok")}


def test_work_that_is_ending_leaves_its_batches_under_way(server, tmp_path):
    student = EndpointStudent("writer", server.base_url, "TEST_KEY", batch=True, batch_poll_seconds=0.0)
    asked = [Request(Combination("0" * 16, "train", ("metaphor",), "Sewing"), 0, ("Write.",))]
    server.held = "batch_0"
    wanted = list(asked)
    student.keep_batches_in(tmp_path, lambda progress: wanted.clear())
    with pytest.raises(Stopped, match=r"^batches that stay under way at http\S+: 1; they are not lost$"):
        list(student.write(wanted))
    server.held = ""
    student.keep_batches_in(tmp_path)
    assert [composition.generation for composition in student.write(asked)] == [0]
    assert len(server.batches) == 1


def test_ctrl_c_does_not_wait_for_batches_and_says_that_they_are_not_lost(server, evaluate, attempts, tmp_path):
    folder, said = tmp_path / "run", tmp_path / "said"
    server.held = "batch_1"
    pid = attempts.start(arguments(server, folder), said)
    server.wait_for("batch_1")
    os.kill(pid, signal.SIGINT)
    assert attempts.wait(pid) == 1
    assert "batches that stay under way at http" in said.read_text()
    assert "left to do: 3 of 3 texts, 6 of 6 grades" in said.read_text()
    server.held = ""
    assert evaluate(folder)[0] == 0
    assert [len(rows) for rows in server.inputs()] == list(STAGES.values())


def test_batches_need_a_folder_and_one_grading_at_a_time(server):
    student = EndpointStudent("writer", server.base_url, "TEST_KEY", batch=True)
    asked = [Request(Combination("0" * 16, "train", ("metaphor",), "Sewing"), 0, ("Write.",))]
    with pytest.raises(InputError, match="batches need a folder"):
        list(student.write(asked))
    with pytest.raises(InputError, match="n is 2, and a batch asks for one grading at a time"):
        EndpointGrader("judge", base_url=server.base_url, batch=True, n=2)
    with pytest.raises(InputError, match="poll_seconds is -1"):
        EndpointStudent("writer", server.base_url, batch_poll_seconds=-1)
