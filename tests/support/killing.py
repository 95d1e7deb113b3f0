"""Runs of the command line that are killed: a process with everything imported forks one child for each attempt.

A child is a real process with its own threads, files and connections, and starts in milliseconds instead of seconds, so
that a test can kill many. The process that forks has no threads.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

PRELOADED = (
    "skillmix_lightning.cli",
    "skillmix_lightning.graders.endpoint",
    "skillmix_lightning.students.endpoint",
    "skillmix_lightning.verbs.evaluate",
    "skillmix_lightning.verbs.grade",
)


class Forge:
    """Starts and kills attempts at one command."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process

    def start(self, args: list[str], output: Path, limit_bytes: int | None = None) -> int:
        """Starts `python -m skillmix_lightning ARGS`; returns the process id.

        With `limit_bytes` no file of the child can grow beyond that, as on a full disk.
        """
        return self._ask({"args": args, "output": str(output), "limit_bytes": limit_bytes})

    def wait(self, pid: int) -> int:
        """Its exit status, negative for a signal."""
        return self._ask({"wait": pid})

    def kill_after(self, pid: int, seconds: float) -> int:
        """Kills it with SIGKILL once so much time has passed, if it still runs; its exit status."""
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)  # until it is waited for it is at least a zombie, so the id is its own
        return self.wait(pid)

    def run(self, args: list[str], output: Path, **settings) -> int:
        return self.wait(self.start(args, output, **settings))

    def _ask(self, question: dict) -> int:
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def forge() -> Iterator[Forge]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield Forge(process)
    finally:
        process.stdin.close()
        process.wait(30)


def _child(question: dict) -> None:
    import resource

    handle = os.open(question["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    if question["limit_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (question["limit_bytes"], resource.RLIM_INFINITY))
    status = 1
    try:
        from skillmix_lightning.cli import main

        status = main(question["args"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _serve() -> None:
    for module in PRELOADED:
        import_module(module)
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            print(os.waitstatus_to_exitcode(os.waitpid(question["wait"], 0)[1]), flush=True)
        elif pid := os.fork():
            print(pid, flush=True)
        else:
            _child(question)


if __name__ == "__main__":
    _serve()
