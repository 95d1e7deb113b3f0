"""A process that forks one sender of batches after the other, to be killed; `Zygote` is a test's hold on it.

Each sender does what a command does: asks for what is not recorded yet, and records every result before the next.
Forking from a process that has everything imported makes a fresh sender cost hundredths of a second.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

REQUESTS = 6


@dataclass(frozen=True)
class Job:
    """What a sender is to do.

    Attributes:
        base_url: of the server.
        folder: of the batches.
        records: the file of results.
        kill_at: the mark at which it kills itself; 0 for none.
        max_requests: of a batch.
    """

    base_url: str
    folder: str
    records: str
    kill_at: int = 0
    max_requests: int = 50


class Zygote:
    """Forks senders: `with Zygote() as zygote: zygote.start(job)`, then `zygote.ended()` gives the exit status."""

    def __enter__(self) -> Self:
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)

    def start(self, job: Job) -> int:
        """Starts a sender and gives its process id."""
        self._process.stdin.write(json.dumps(vars(job)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def ended(self) -> int:
        """Waits for the sender; its exit status, negative for a signal. Until then its process id is its own."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def run(self, job: Job, kill_after_s: float | None = None) -> int:
        """A sender from start to end; its exit status."""
        pid = self.start(job)
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            os.kill(pid, signal.SIGKILL)
        return self.ended()


def recorded(path: Path) -> list[dict]:
    """The whole records, without what their writer was killed at."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def _send(job: Job) -> None:
    from skillmix_lightning.endpoint import retry
    from skillmix_lightning.endpoint.batches import BatchClient, BatchRequest

    retry.FIRST_WAIT_S = 0.01
    mark = _mark(job.kill_at)
    path = Path(job.records)
    done = {record["key"] for record in recorded(path)}
    requests = [
        BatchRequest(f"key {number}", [{"role": "user", "content": f"Request {number}"}], "m", {"max_tokens": 10})
        for number in range(REQUESTS)
    ]
    client = BatchClient(
        job.base_url, "TEST_KEY", Path(job.folder), poll_seconds=0.005, settle_s=0.05, max_requests=job.max_requests
    )
    for result in client.complete_many([request for request in requests if request.key not in done]):
        mark()
        text = None if result.reply is None else result.reply.text
        attempts = None if result.reply is None else result.reply.attempts
        record = {"key": result.key, "text": text, "failure": result.failure, "attempts": attempts}
        with path.open("ab") as file:
            file.write(json.dumps(record).encode() + b"\n")


def _mark(kill_at: int) -> Callable[[], None]:
    """Kills this process at the so-manyth mark, never at 0.

    There is one after each call and each write, and within each line of the journal; more are passed by calling what
    this returns.
    """
    from skillmix_lightning.endpoint.batches.calls import BatchCalls
    from skillmix_lightning.endpoint.batches.journal import BatchJournal

    passed = 0

    def mark() -> None:
        nonlocal passed
        passed += 1
        if passed == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def marked(method):
        def call(self, *args, **named):
            answer = method(self, *args, **named)
            mark()
            return answer

        return call

    def torn(append):
        def call(self, event, *args, **named):
            nonlocal passed
            if passed + 1 == kill_at:
                with (self.folder / "journal.jsonl").open("ab") as file:
                    file.write(json.dumps(event).encode()[:-5])
            mark()
            return append(self, event, *args, **named)

        return call

    for owner, names in [
        (BatchCalls, ["find_file", "upload", "create", "_create_once", "find", "retrieve", "content"]),
        (BatchJournal, ["keep", "_append"]),
    ]:
        for name in names:
            setattr(owner, name, marked(getattr(owner, name)))
    BatchJournal._append = torn(BatchJournal._append)
    return mark


def _serve() -> None:
    import skillmix_lightning.endpoint.batches  # noqa: F401  # before the forks, so that they need not

    print("ready", flush=True)
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            try:
                _send(Job(**json.loads(line)))
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(pid, flush=True)
        sys.stdin.readline()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
