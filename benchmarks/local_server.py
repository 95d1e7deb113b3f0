"""An evaluation whose student and grader are both real weights behind HTTP: `transformers serve` on this machine.

    .venv/bin/python benchmarks/local_server.py --server PYTHON --out benchmarks/local_server.md

PYTHON is an interpreter that has `transformers[serving]` (pip install 'transformers[serving]'), by default this one.
The model is the embedded SmolLM2-135M-Instruct, which is no judge: what is shown is that every call ends and that every
grade is a grade or says why it is none, not what the grades are worth. Exit status 0 if so. Some minutes on one core.
"""

import argparse
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from skillmix_lightning.models.embedded import embedded_model
from skillmix_lightning.runs import Run

PLAN = ["--catalogue=language", "--splits=[train]", "--ks=[2]", "--combinations=2", "--generations=1", "--gradings=2"]
TEXTS, GRADES = 2, 2 * 2
STUDENT = ["--student=EndpointStudent", "--student.max_new_tokens=64", "--student.seed=0"]
# Two gradings in one call, which this server does not know: the second is asked for by itself.
GRADER = ["--grader=EndpointGrader", "--grader.max_tokens=200", "--grader.attempts=2", "--grader.n=2"]
_ANSWERED = re.compile(r'"POST /v1/chat/completions HTTP/1\.1" (\d+)')


@contextmanager
def serving(python: str, model: Path, log: Path) -> Iterator[str]:
    """The server with the model loaded; gives the base_url."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-m", "transformers.cli.transformers", "serve", str(model), "--device=cpu", "--dtype=float32"]
    command += ["--host=127.0.0.1", f"--port={port}", "--log-level=info"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(30)


def wait_for(address: str, server: subprocess.Popen, log: Path, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server does not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.5)


def evaluate(base_url: str, model: Path, folder: Path) -> tuple[int, str, float]:
    """Runs the verb as a user does; its exit status, what it says, and the seconds it took."""
    parts = [
        f"--{part}.{name}" for part in ("student", "grader") for name in (f"model={model}", f"base_url={base_url}")
    ]
    command = [sys.executable, "-m", "skillmix_lightning", "evaluate", *PLAN, *STUDENT, *GRADER, *parts]
    command += [f"--out={folder}", "--cache=off", "--allow_self_grading=true", "--json=true"]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - started


def statuses(log: Path) -> Counter[str]:
    """The server's answers to chat calls by HTTP status, by its own log."""
    return Counter(_ANSWERED.findall(log.read_text(errors="replace")))


def report(run: Run, answers: Counter[str], seconds: float, again_s: float) -> tuple[str, list[str]]:
    """The result file, and what is wrong."""
    texts, grades = run.compositions(), run.grades()
    asked = sum(len(text.turns) // 2 for text in texts) + sum(grade.usage["attempts"] for grade in grades)
    ends = Counter(f"{grade.status}: {grade.reason}" if grade.reason else grade.status for grade in grades)
    tokens = sum(each.usage.get("completion_tokens", 0) for each in [*texts, *grades])
    returned = sorted({each.usage["model"] for each in [*texts, *grades]})
    problems = [
        problem
        for problem, holds in {
            f"{len(texts)} texts, {TEXTS} were asked for": len(texts) != TEXTS,
            f"{len(grades)} grades, {GRADES} were asked for": len(grades) != GRADES,
            f"the server answered {dict(answers)}, the records are of {asked} calls": answers != {"200": asked},
            "a text is empty": not all(text.text.strip() for text in texts),
            "a grade has neither all its points nor a reason": not all(
                len(grade.points) == 2 + 3 if grade.status == "ok" else grade.reason and not grade.points
                for grade in grades
            ),
            "a reply without a model's name or tokens": not all(returned) or not tokens,
        }.items()
        if holds
    ]
    rows = {
        "texts": f"{len(texts)} of {TEXTS}; " + ", ".join(_counted(text.finish_reason for text in texts)),
        "grades": f"{len(grades)} of {GRADES}",
        **{f"grades that are {end}": str(number) for end, number in ends.most_common()},
        "calls by the records": f"{asked}: {len(texts)} texts of 2 turns, and every attempt at a grade",
        "calls by the server's log": ", ".join(f"{number} with status {status}" for status, number in answers.items()),
        "tokens written": str(tokens),
        "seconds": f"{seconds:.0f} with process start; the same command again, which asks for nothing: {again_s:.1f}",
        "verdict": "; ".join(problems) or "every call ended; every grade is a grade or says why it is none",
    }
    table = "\n".join(f"| {name} | {' '.join(value.split()).replace('|', '/')} |" for name, value in rows.items())
    packages = ", ".join(f"{name} {version(name)}" for name in ("transformers", "torch", "openai"))
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    machine = f"{os.cpu_count()} cores ({threads} used), load {os.getloadavg()[0]:.1f}"
    return (
        "# Student and grader behind a real local server\n\n"
        f"{time.strftime('%Y-%m-%d')}, {machine}, Python {platform.python_version()}, {packages}.\n"
        f"Made by `benchmarks/local_server.py`: `transformers serve`, {Path(returned[0]).name}, writes and grades.\n\n"
        f"    evaluate {' '.join(PLAN)}\n        {' '.join(STUDENT)}\n        {' '.join(GRADER)}"
        " --allow_self_grading=true\n\n"
        f"| what | measured |\n|---|---|\n{table}\n",
        problems,
    )


def _counted(values: Iterator[str]) -> list[str]:
    return [f"{number} ended with {value!r}" for value, number in Counter(values).most_common()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default=sys.executable, help="an interpreter that has transformers[serving]")
    parser.add_argument("--out", type=Path, help="the result file; printed without")
    args = parser.parse_args()
    model = embedded_model().resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder, log = Path(temporary) / "run", Path(temporary) / "server.log"
        with serving(args.server, model, log) as base_url:
            status, said, seconds = evaluate(base_url, model, folder)
            if status != 0:
                sys.exit(f"evaluate ends with {status}: {said}\n{log.read_text(errors='replace')[-2000:]}")
            answers = statuses(log)
            status, said, again_s = evaluate(base_url, model, folder)
            if status != 0 or statuses(log) != answers:
                sys.exit(f"a finished run asks again, or fails: {said}")
        json.loads(said)
        document, problems = report(Run(folder), answers, seconds, again_s)
    if args.out:
        args.out.write_text(document, encoding="utf-8")
    print(document)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
