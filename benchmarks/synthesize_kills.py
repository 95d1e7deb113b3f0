"""A synthesis of 14,000 accepted texts, killed 10 times, against one that runs through: bytes, requests, time.

    .venv/bin/python benchmarks/synthesize_kills.py          # 8 minutes

Student and grader are scripted: tests/support/chat_server.py in a process of its own answers by the request alone. Each
attempt is `python -m skillmix_lightning synthesize …` in a process of its own, with the response cache, and is killed
with SIGKILL at a moment drawn evenly from the time that the undisturbed run took.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wordfreq import top_n_list

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from chat_server import Answer, ChatServer, routes, says, serving

ROOT = Path(__file__).parents[1]
ACCEPTED = {1: 2000, 2: 6000, 3: 6000}
CONCURRENCY, LATENCY_S = 32, 0.05
FILES = ("dataset.jsonl", "rejects.jsonl", "README.md", "yield.json")
WORDS = top_n_list("en", 5000)


class Script:
    """Answers by the request alone: a text of 25 words, or a table in which every fifth text loses a point.

    Attributes:
        counts: requests so far, and how many of them had come before.
        first: when the first request since `waits` was called came.
    """

    def __init__(self) -> None:
        self.counts = {"requests": 0, "repeated": 0}
        self.first: float | None = None
        self._seen: set[bytes] = set()

    def waits(self) -> None:
        self.first = None

    def respond(self, call: dict) -> Answer:
        self.first = self.first or time.time()
        digest = hashlib.sha256(json.dumps([call["model"], call["messages"]]).encode()).digest()
        self.counts["requests"] += 1
        self.counts["repeated"] += digest in self._seen
        self._seen.add(digest)
        return (text if call["model"] == "writer" else table)(call, int.from_bytes(digest))


def text(call: dict, number: int) -> Answer:
    draw = random.Random(number % 50 if number % 40 == 0 else number)  # one in 40 may be another one's twin
    return says(f"Answer: {' '.join(draw.choices(WORDS, k=25)).capitalize()}.\nExplanation: none.", model="writer-1")


def table(call: dict, number: int) -> Answer:
    criteria = re.findall(r"(?m)^- ((?:Correctly|Pertains|Text makes|At most) .*)$", call["messages"][-1]["content"])
    lost = number % (5 * len(criteria))
    rows = "\n".join(f"| {criterion} | {int(place != lost)} |" for place, criterion in enumerate(criteria))
    return says(f"Here is the grading table:\n| Criteria | Points Earned |\n|---|---|\n{rows}\n", model="judge-1")


def serve(pipe) -> None:
    chat, script = ChatServer(), Script()
    chat.keeps_calls, chat.delay_s, chat.respond = False, LATENCY_S, script.respond
    with serving(routes(chat)) as base_url:
        pipe.send(base_url)
        while (question := pipe.recv()) != "end":
            if question == "start":
                script.waits()
            pipe.send({**script.counts, "in_flight": chat.at_once, "first": script.first})


class Synthesis:
    """One data set's folder and cache, and the attempts at it."""

    def __init__(self, pipe, base_url: str, folder: Path, accepted: dict[int, int]) -> None:
        self.pipe, self.folder = pipe, folder
        settings = [f"base_url={base_url}", "api_key_env=BENCHMARK_KEY", f"concurrency={CONCURRENCY}"]
        parts = [f"--{part}.{setting}" for part in ("student", "grader") for setting in settings]
        self.command = [
            *(sys.executable, "-m", "skillmix_lightning", "synthesize", "--catalogue=language"),
            *("--student=EndpointStudent", "--student.model=writer", "--grader=EndpointGrader", "--grader.model=judge"),
            *(*parts, f"--accepted={accepted}", f"--out={folder}", f"--cache={folder}.sqlite"),
        ]

    def ask(self, question: str) -> dict:
        self.pipe.send(question)
        return self.pipe.recv()

    def attempt(self, lives_s: float | None = None) -> dict:
        """Starts the command and kills it after so long, or lets it end.

        Returns:
            Its seconds, those until its first request (None without one), the server's counts after it, and the
            requests under way when it was killed.
        """
        self.ask("start")
        start, under_way, wanted = time.time(), 0, 0
        environment = {**os.environ, "BENCHMARK_KEY": "k"}
        process = subprocess.Popen(self.command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            status = process.wait(lives_s)
        except subprocess.TimeoutExpired:
            under_way, wanted = self.ask("now")["in_flight"], -signal.SIGKILL
            process.kill()
            status = process.wait()
        seconds = time.time() - start
        if status != wanted:
            sys.exit(f"the command ended with {status} after {seconds:.0f} s")
        time.sleep(2 * LATENCY_S)  # the server may still count what was on its way
        seen = self.ask("now")
        first = None if seen["first"] is None else seen["first"] - start
        counts = {name: seen[name] for name in ("requests", "repeated")}
        return {**counts, "seconds": seconds, "first": first, "under_way": under_way, "killed": wanted != 0}

    def digests(self) -> dict[str, str]:
        return {name: hashlib.sha256((self.folder / name).read_bytes()).hexdigest() for name in FILES}

    def records(self) -> tuple[int, int]:
        """Texts and grades on record."""
        files = (self.folder / "compositions.jsonl", self.folder / "grades.jsonl")
        return tuple(file.read_bytes().count(b"\n") if file.exists() else 0 for file in files)


def show(name: str, attempt: dict, synthesis: Synthesis) -> None:
    first = "none" if attempt["first"] is None else f"after {attempt['first']:.1f} s"
    texts, grades = synthesis.records()
    print(
        f"{name}: {attempt['seconds']:.1f} s, first request {first}, {texts:,} texts and {grades:,} grades on record, "
        f"{attempt['under_way']} requests under way at the end, {attempt['requests']:,} requests of which "
        f"{attempt['repeated']:,} repeated so far",
        flush=True,
    )


def served(folder: Path, name: str, accepted: dict[int, int], lives_s: list[float]) -> tuple[dict, float]:
    """The digests of a data set, made in attempts that live so long and a last one that ends; the seconds of that."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,))
    server.start()
    try:
        synthesis = Synthesis(ours, ours.recv(), folder / name, accepted)
        under_way = 0
        for number, seconds in enumerate(lives_s, start=1):
            attempt = synthesis.attempt(seconds)
            if not attempt["killed"]:
                sys.exit(f"it ended before the kill number {number}")
            under_way += attempt["under_way"]
            show(f"{name}, kill {number}", attempt, synthesis)
        last = synthesis.attempt()
        show(f"{name}, to the end", last, synthesis)
        print(f"{name}: {under_way} requests under way at kills, {last['repeated']} requests repeated", flush=True)
        show(f"{name}, nothing left to do", synthesis.attempt(), synthesis)
        return synthesis.digests(), last["seconds"]
    finally:
        ours.send("end")
        server.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the 14,000 texts, for a quick look")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    asked = parser.parse_args()
    accepted = {k: round(n * asked.share) for k, n in ACCEPTED.items()}
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, seconds = served(Path(folder), "whole", accepted, [])
        moments = sorted(draw.uniform(0, seconds) for _ in range(asked.kills))
        lives = [later - earlier for earlier, later in zip([0.0, *moments], moments, strict=False)]
        killed, _ = served(Path(folder), "killed", accepted, lives)
    for name in FILES:
        same = "the same" if whole[name] == killed[name] else "DIFFERENT"
        print(f"{name}: {same}, sha256 {whole[name][:16]} and {killed[name][:16]}")
    sys.exit(whole != killed)


if __name__ == "__main__":
    main()
