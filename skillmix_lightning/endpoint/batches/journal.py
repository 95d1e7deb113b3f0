"""What is known of a folder's batches, on disk: every step is written down before the next one is taken.

    planned ─► uploaded ─► created ─► collected          (or dropped, if the server never made the batch)

`journal.jsonl` is append-only; a torn last line, left by a process that was killed, was never counted as written. What
the server answered lies beside it, as it came: `<key>.output.jsonl` and `<key>.errors.jsonl`, whole or not there.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from skillmix_lightning.errors import InputError


@dataclass
class Submission:
    """One batch, from its plan on.

    Attributes:
        key: of this batch and no other; it is in the file's name and in the batch's metadata at the server.
        number: how many were planned before it.
        model: that it asks.
        ids: of its requests, in the order of the file's lines.
        at_most: the tokens each can take, (prompt, completion).
        file_id: of the file, at the server; empty before it is uploaded.
        batch_id: of the batch, at the server; empty before it is known to be made.
        status: how it ended; empty before its results are on disk.
        errors: why it failed, if it did: each with "code", "line" and "message".
        lost: the server counts more answers than its file has.
    """

    key: str
    number: int
    model: str
    ids: tuple[str, ...]
    at_most: tuple[tuple[int, int | None], ...]
    file_id: str = ""
    batch_id: str = ""
    status: str = ""
    errors: tuple[Mapping[str, Any], ...] = ()
    lost: bool = False

    @property
    def file_name(self) -> str:
        """What its file is called at the server."""
        return f"skillmix-{self.key}.jsonl"


class BatchJournal:
    """The record of a folder's batches. One process at a time has it open (`open_journal`).

    Attributes:
        folder: where it lies.
        submissions: by key, in the order they were planned, without dropped ones.
        told: the number of submissions that were planned when a request's failure was told to the caller. What failed
            before then does not count against the request if it is asked for again.

    Raises:
        InputError: the journal was written for another server, or is none.
    """

    def __init__(self, folder: Path, base_url: str) -> None:
        self.folder = folder
        self.submissions: dict[str, Submission] = {}
        self.told: dict[str, int] = {}
        self._path = folder / "journal.jsonl"
        self._planned = 0
        self._base_url = ""
        self._read()
        if not self._base_url:
            self._append({"event": "opened", "base_url": base_url})
        elif self._base_url != base_url:
            raise InputError(
                f"{folder}: its batches are at {self._base_url}, not {base_url}; set that base_url, or another folder"
            )

    def plan(self, model: str, ids: Sequence[str], at_most: Sequence[tuple[int, int | None]]) -> Submission:
        """Writes down that these requests are to be sent as one batch."""
        key = uuid.uuid4().hex
        event = {"event": "planned", "key": key, "model": model, "ids": list(ids), "at_most": list(at_most)}
        self._append(event)
        return self.submissions[key]

    def uploaded(self, submission: Submission, file_id: str) -> None:
        """Writes down the id of a submission's file."""
        self._append({"event": "uploaded", "key": submission.key, "file_id": file_id})

    def created(self, submission: Submission, batch_id: str) -> None:
        """Writes down the id of a submission's batch."""
        self._append({"event": "created", "key": submission.key, "batch_id": batch_id})

    def collected(
        self, submission: Submission, status: str, errors: Sequence[Mapping[str, Any]] = (), lost: bool = False
    ) -> None:
        """Writes down how a batch ended; its files are kept already."""
        event = {"event": "collected", "key": submission.key, "status": status, "errors": list(errors), "lost": lost}
        self._append(event)

    def dropped(self, submission: Submission) -> None:
        """Writes down that a submission has no batch and gets none."""
        self._append({"event": "dropped", "key": submission.key})

    def tell(self, id: str) -> None:
        """Writes down that the caller has been told of a request's failure."""
        # Without fsync: after a power cut a failure is told again, and there may be many.
        self._append({"event": "told", "id": id}, sync=False)

    def keep(self, submission: Submission, kind: str, content: bytes) -> None:
        """Puts a result file beside the journal, whole or not at all."""
        path = self._results(submission, kind)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(self.folder)

    def kept(self, submission: Submission, kind: str) -> bytes:
        """A result file; empty if the batch ended without it."""
        path = self._results(submission, kind)
        return path.read_bytes() if path.exists() else b""

    def _results(self, submission: Submission, kind: str) -> Path:
        return self.folder / f"{submission.key}.{kind}.jsonl"

    def _read(self) -> None:
        if not self._path.exists():
            return
        whole = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                try:
                    self._apply(json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    where = f"{self._path}, line {number}"
                    raise InputError(f"{where}: not a journal of batches ({type(error).__name__}: {error})") from None
        os.truncate(self._path, whole)

    def _append(self, event: dict[str, Any], sync: bool = True) -> None:
        is_first = not self._path.exists()
        with self._path.open("ab") as file:
            file.write(json.dumps({**event, "time": round(time.time(), 3)}).encode() + b"\n")
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if is_first:
            _sync_folder(self.folder)
        self._apply(event)

    def _apply(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "opened":
                self._base_url = event["base_url"]
            case "told":
                self.told[event["id"]] = self._planned
            case "planned":
                at_most = tuple((prompt, completion) for prompt, completion in event["at_most"])
                self.submissions[event["key"]] = Submission(
                    event["key"], self._planned, event["model"], tuple(event["ids"]), at_most
                )
                self._planned += 1
            case "dropped":
                del self.submissions[event["key"]]
            case "uploaded":
                self.submissions[event["key"]].file_id = event["file_id"]
            case "created":
                self.submissions[event["key"]].batch_id = event["batch_id"]
            case "collected":
                submission = self.submissions[event["key"]]
                submission.status, submission.lost = event["status"], event["lost"]
                submission.errors = tuple(event["errors"])
            case unknown:
                raise ValueError(f"unknown event {unknown!r}")


@contextmanager
def open_journal(folder: Path, base_url: str) -> Iterator[BatchJournal]:
    """A folder's journal, made if there is none, for this process alone.

    Raises:
        InputError: the folder cannot be written, another process works in it, or its journal is not usable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The caller's generator may be closed by another thread than the one that opened it.
        lock = FileLock(folder / "lock", timeout=0, thread_local=False)
        lock.acquire()
    except Timeout:
        raise InputError(f"{folder}: another process sends batches from it; wait for it to end, or stop it") from None
    except OSError as error:
        raise InputError(f"{folder}: batches cannot be recorded there ({error.strerror or error})") from None
    try:
        yield BatchJournal(folder, base_url)
    finally:
        lock.release()


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders, and syncs a rename with the file
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
