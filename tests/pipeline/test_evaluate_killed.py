"""Evaluations that are killed, run out of disk or out of money, and go on: real processes, a real HTTP server."""

import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chat_server import Answer, ChatServer, refuses, says
from killing import Forge, forge

from skillmix_lightning.runs import Run

KILLS = 20
CONCURRENCY = 4
PLAN = ["--catalogue=language", "--splits=[train]", "--ks=[2,3]", "--combinations=4", "--generations=2", "--gradings=2"]
TEXTS = 2 * 4 * 2
LEAST_CALLS = TEXTS * 2 + TEXTS * 2  # two turns of each text, two rounds of each grade


@pytest.fixture(scope="module")
def attempts() -> Iterator[Forge]:
    with forge() as started:
        yield started


def answer(call: dict) -> Answer:
    """A text or a table, decided by the request alone."""
    said = call["messages"][-1]["content"]
    number = int(hashlib.sha256(json.dumps([call["messages"], call.get("seed")]).encode()).hexdigest(), 16)
    if call["model"] == "writer":
        return says(f"Answer: Text {number % 10**6}.\nExplanation: none.", model="writer-0613")
    criteria = re.findall(r"(?m)^- ((?:Correctly|Pertains|Text makes|At most) .*)$", said)
    rows = "\n".join(f"| {criterion} | {number >> place & 1} |" for place, criterion in enumerate(criteria))
    return says(f"Here is the grading table:\n| Criteria | Points Earned |\n|---|---|\n{rows}\n", model="judge-0613")


def arguments(server: ChatServer, folder: Path, cache: str | Path, *more: str) -> list[str]:
    served = [f"base_url={server.base_url}", "api_key_env=TEST_KEY", f"concurrency={CONCURRENCY}"]
    # The seeds make a text differ from generation to generation: equal ones would share a grade in the cache.
    student = [
        "--student=EndpointStudent",
        "--student.model=writer",
        "--student.seed=0",
        *(f"--student.{each}" for each in served),
    ]
    grader = ["--grader=EndpointGrader", "--grader.model=judge", *(f"--grader.{each}" for each in served)]
    return ["evaluate", *PLAN, *student, *grader, f"--out={folder}", f"--cache={cache}", "--json=true", *more]


def records(folder: Path) -> tuple[dict, dict]:
    """Texts and grades by key, without what they cost: a reply from the cache is free."""
    texts, grades = Run(folder).compositions(), Run(folder).grades()
    by_text = {(c.combination.id, c.generation): (c.combination, c.turns, c.text, c.finish_reason) for c in texts}
    by_round = {(g.combination_id, g.generation, g.grader, g.grading): (g.status, g.points, g.raw) for g in grades}
    assert len(by_text) == len(texts)
    assert len(by_round) == len(grades)
    return by_text, by_round


class Watch:
    """When each request came to the server, and when it was answered."""

    def __init__(self, server: ChatServer) -> None:
        self.came: list[float] = []
        self.server = server
        server.respond = self._respond

    def _respond(self, call: dict) -> Answer:
        self.came.append(time.monotonic())
        return answer(call)

    def in_flight(self, start: float, kill: float, settled_s: float = 0.1) -> int:
        """Of the requests of one attempt, those whose answer the client had not had for a moment when it was killed.

        Never more than it may have under way at once.
        """
        first = self.came[0] if self.came else 0.0
        came = sum(start <= at for at in self.came)
        answered = sum(status == 200 and start <= first + at < kill - settled_s for at, status in self.server.log)
        return min(came - answered, 2 * CONCURRENCY)


def test_killed_at_20_random_moments_it_ends_with_the_same_records_and_repeats_only_calls_that_were_in_flight(
    server: ChatServer, attempts: Forge, tmp_path: Path
) -> None:
    server.delay_s = 0.03
    watch = Watch(server)
    output = tmp_path / "output"
    assert attempts.run(arguments(server, tmp_path / "whole", "off"), output) == 0, output.read_text()
    assert len(server.calls) == LEAST_CALLS

    draw = random.Random(0)
    server.calls.clear()
    allowed, kills, runs = 0, 0, 0
    while kills < KILLS:  # a run that gets to its end is followed by another one
        runs += 1
        folder, cache = tmp_path / f"run{runs}", tmp_path / f"cache{runs}.sqlite"
        status = -9
        while status != 0:
            start, seen = time.monotonic(), len(server.calls)
            pid = attempts.start(arguments(server, folder, cache), output)
            if kills < KILLS:
                wait_for_calls(server, seen + draw.randint(0, 20), at_most_s=1.0)
                status = attempts.kill_after(pid, draw.uniform(0, 0.06))
                killed = time.monotonic()
                time.sleep(0.1)  # what was sent just before reaches the server
                if status == -9:
                    kills += 1
                    allowed += watch.in_flight(start, killed)
            else:
                status = attempts.wait(pid)
            assert status in (0, -9), output.read_text()
        assert records(folder) == records(tmp_path / "whole")
    extra = len(server.calls) - runs * LEAST_CALLS
    assert 0 <= extra <= allowed


def wait_for_calls(
    server: ChatServer, count: int, at_most_s: float, unless: Callable[[], bool] = lambda: False
) -> None:
    end = time.monotonic() + at_most_s
    while len(server.calls) < count and time.monotonic() < end and not unless():
        time.sleep(0.002)


def test_a_full_disk_ends_it_with_one_line_and_it_goes_on_from_there(
    server: ChatServer, attempts: Forge, tmp_path: Path
) -> None:
    server.respond = answer
    output = tmp_path / "output"
    args = arguments(server, tmp_path / "run", "off")
    assert attempts.run(arguments(server, tmp_path / "whole", "off"), output) == 0
    server.calls.clear()
    assert attempts.run(args, output, limit_bytes=8_000) == 1
    (line,) = [line for line in output.read_text().splitlines() if line.startswith("stopped:")]
    assert line.startswith(f"stopped: {tmp_path}/run/")
    assert "cannot be written (File too large); nothing on record is lost, left to do: " in line
    assert "Traceback" not in output.read_text()
    kept = len(Run(tmp_path / "run").compositions())
    assert f"left to do: {TEXTS - kept} of {TEXTS} texts" in line
    assert attempts.run(args, output) == 0
    assert records(tmp_path / "run") == records(tmp_path / "whole")


def test_a_budget_ends_it_with_one_line_and_counts_when_it_goes_on(
    server: ChatServer, attempts: Forge, tmp_path: Path
) -> None:
    server.respond = answer
    output = tmp_path / "output"
    prices = tmp_path / "prices.yaml"
    prices.write_text("writer: {input: 100, output: 1000}\njudge: {input: 100, output: 1000}\n")
    folder = tmp_path / "run"
    spent = []
    for budget in (1.0, 1.02, 20.0):  # a call costs $0.004, and could cost up to $1 more
        args = arguments(server, folder, "off", f"--budget_usd={budget}", f"--prices={prices}")
        status = attempts.run(args, output)
        spent.append(Run(folder).manifest()["spent"]["usd"])
        assert spent[-1] <= budget
        assert status == (0 if budget == 20.0 else 1), output.read_text()
        if status:
            (line,) = output.read_text().splitlines()
            assert line.startswith("stopped: the budget of $1.0")
            assert f"of {TEXTS} texts" in line
    assert spent == sorted(spent)
    assert spent[-1] == pytest.approx(LEAST_CALLS * 0.004)
    manifest = Run(folder).manifest()
    assert manifest["prices"]["judge"]["output"] == 1000
    assert manifest["models"] == {
        "student": {"requested": "writer", "returned": ["writer-0613"]},
        "grader": {"requested": "judge", "returned": ["judge-0613"]},
    }


def test_over_kills_no_more_than_the_budget_is_billed(server: ChatServer, attempts: Forge, tmp_path: Path) -> None:
    cap, bill, draw = 8.0, 0.0, random.Random(0)
    folder, output, prices = tmp_path / "run", tmp_path / "output", tmp_path / "prices.yaml"
    prices.write_text("writer: {input: 100, output: 1000}\njudge: {input: 100, output: 1000}\n")

    def bills(call: dict) -> Answer:
        nonlocal bill
        usage = {"prompt_tokens": len(json.dumps(call["messages"])), "completion_tokens": call["max_tokens"]}
        bill += (100 * usage["prompt_tokens"] + 1000 * usage["completion_tokens"]) / 10**6
        reply = answer(call)
        reply.body["usage"] = usage
        return reply

    server.respond, server.delay_s = bills, 0.03
    few = ["--student.max_new_tokens=20", "--grader.max_tokens=20", f"--budget_usd={cap}", f"--prices={prices}"]
    args = arguments(server, folder, tmp_path / "cache.sqlite", *few)
    kills, status = 0, -9
    while status == -9:
        output.write_text("")
        pid = attempts.start(args, output)
        calls = len(server.calls) + draw.randint(1, 20)
        wait_for_calls(server, calls, at_most_s=20, unless=lambda: "stopped: " in output.read_text())
        status = attempts.kill_after(pid, draw.uniform(0, 0.06))
        time.sleep(0.1)  # what was sent just before reaches the server
        kills += status == -9
        assert bill <= cap
    said = output.read_text()
    assert kills >= 2
    assert status == 1
    assert "the last command did not end in order; up to $" in said
    assert "stopped: the budget of $8.00 is reached: " in said
    assert bill <= Run(folder).manifest()["spent"]["usd"] <= cap
    assert not (folder / "in_flight.json").exists()


def test_a_refusal_ends_it_with_what_came_on_record_and_only_the_rest_is_asked_for(
    server: ChatServer, attempts: Forge, tmp_path: Path
) -> None:
    judged: list[dict] = []

    def refuses_after_ten(call: dict) -> Answer:
        judged.extend([call] if call["model"] == "judge" else [])
        return refuses(400, "not today") if call["model"] == "judge" and len(judged) > 10 else answer(call)

    server.respond = refuses_after_ten
    output, folder = tmp_path / "output", tmp_path / "run"
    args = arguments(server, folder, "off")
    assert attempts.run(args, output) == 2
    (line,) = output.read_text().splitlines()
    assert line.startswith("error: ")
    assert "not today" in line
    texts, grades = Run(folder).compositions(), Run(folder).grades()
    assert len(grades) == 10
    server.respond = answer
    server.calls.clear()
    assert attempts.run(args, output) == 0
    assert len(server.calls) == LEAST_CALLS - 2 * len(texts) - 10
    assert Run(folder).compositions()[: len(texts)] == texts
    assert Run(folder).grades()[:10] == grades


def test_grades_that_the_server_could_not_give_are_asked_for_again_and_nothing_else(
    server: ChatServer, attempts: Forge, tmp_path: Path
) -> None:
    judged: list[dict] = []

    def overloaded_at_first(call: dict) -> Answer:
        judged.extend([call] if call["model"] == "judge" else [])
        if call["model"] == "judge" and len(judged) <= 5:
            return refuses(500, "come back tomorrow", Retry_After="86400")
        return answer(call)

    server.respond = overloaded_at_first
    output, folder = tmp_path / "output", tmp_path / "run"
    args = arguments(server, folder, "off")
    assert attempts.run(args, output) == 1
    (line,) = output.read_text().splitlines()
    assert line.startswith(f"stopped: 5 of {2 * TEXTS} grades are missing, the scores are of the others (")
    assert line.endswith("run the same command again to go on")
    assert sum(g.status == "error" for g in Run(folder).grades()) == 5
    server.calls.clear()
    assert attempts.run(args, output) == 0
    assert len(server.calls) == 5
    assert len(Run(folder).grades()) == 2 * TEXTS + 5
    assert sum(row["grades"]["graded"] for row in json.loads(output.read_text())["scores"]) == 2 * TEXTS


def test_unreadable_replies_are_asked_for_again_on_demand_and_the_last_ones_count(
    server: ChatServer, attempts: Forge, tmp_path: Path
) -> None:
    server.respond = lambda call: says("I would rather not.") if call["model"] == "judge" else answer(call)
    output, folder, cache = tmp_path / "output", tmp_path / "run", tmp_path / "cache.sqlite"
    args = arguments(server, folder, cache, "--grader.attempts=1")
    assert attempts.run(args, output) == 0, output.read_text()
    assert json.loads(output.read_text())["scores"][0]["unscored"] == 4
    server.respond = answer
    assert attempts.run(args, output) == 0
    assert len(Run(folder).grades()) == 2 * TEXTS
    assert attempts.run([*args, "--regrade=unscored"], output) == 0
    assert json.loads(output.read_text())["scores"][0]["unscored"] == 0
    assert [g.status for g in Run(folder).grades()] == [*["unparsed"] * 2 * TEXTS, *["ok"] * 2 * TEXTS]


def test_a_student_that_would_grade_itself_is_refused_before_anything_is_asked(
    server: ChatServer, attempts: Forge, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    args = arguments(server, tmp_path / "run", "off", "--grader.model=writer")
    assert attempts.run(args, output) == 2
    assert "its own grader" in output.read_text()
    assert not (tmp_path / "run").exists()
    assert server.calls == []
    server.respond = lambda call: answer({**call, "model": "judge"} if "grade" in str(call["messages"]) else call)
    assert attempts.run([*args, "--allow_self_grading=true"], output) == 0, output.read_text()
