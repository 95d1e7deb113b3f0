"""The response cache: a request that was answered once is not paid for twice.

One SQLite file (in WAL mode, so several processes may use it at once) of complete replies as JSON. Two requests are the
same if all that can change the answer is: the address, the model, the rendered messages, every sampling setting and the
schema, and, since samples are meant to differ, the prompt set and the round.

The cache is a saving, never the record: that is the run folder. So trouble with it while work goes on costs a warning
and the saving, but no reply.
"""

import hashlib
import json
import logging
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from skillmix_lightning.errors import InputError

_LOG = logging.getLogger(__name__)
_APPLICATION_ID = 0x534B4D58  # "SKMX" in the file's header, so that no other program's database is taken for a cache
_VERSION = 1
_BUSY_S = 10.0
_TABLE = """
CREATE TABLE replies (
    key TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    created REAL NOT NULL,
    reply TEXT NOT NULL
)
"""


@dataclass(frozen=True)
class CachedReply:
    """What is kept of a complete reply.

    Attributes:
        text: the message.
        finish_reason: "stop"; nothing else is complete.
        usage: tokens, as the server counted them when it answered.
        model: the model that answered.
    """

    text: str
    finish_reason: str
    usage: dict[str, int] = field(default_factory=dict)
    model: str = ""


@dataclass(frozen=True)
class CachedModel:
    """What a cache holds of one model (`cache ls`).

    Attributes:
        model: the name that was asked for.
        replies: how many.
        size: of the replies, in bytes.
        oldest: when the first was stored, in seconds since 1970.
        newest: when the last was.
    """

    model: str
    replies: int
    size: int
    oldest: float
    newest: float


def default_cache_path() -> Path:
    """`$SKILLMIX_CACHE`, or responses.sqlite in the folder this system keeps users' caches in."""
    if named := os.environ.get("SKILLMIX_CACHE", ""):
        return Path(named).expanduser()
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "skillmix_lightning" / "responses.sqlite"


def open_cache(setting: str | None) -> "ResponseCache | None":
    """The cache of a `--cache` setting: a path, "off" for none, or None for the default place.

    Raises:
        InputError: there is no usable cache at the path.
    """
    if setting == "off":
        return None
    return ResponseCache(default_cache_path() if setting is None else Path(setting).expanduser())


def cache_key(
    base_url: str,
    model: str,
    messages: Sequence[Mapping[str, object]],
    options: Mapping[str, Any],
    prompt_id: str = "",
    round: int = 0,
) -> str:
    """What a request's reply is stored under: the sha256, in hex digits, of all that can change it.

    Args:
        base_url: of the server.
        model: the name that is asked for.
        messages: the rendered conversation.
        options: every other field of the request: sampling settings, seed, schema.
        prompt_id: of the prompt set.
        round: the generation or grading round, and in which attempt of it.
    """
    request = [base_url.rstrip("/"), model, list(messages), dict(options), prompt_id, round]
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class ResponseCache:
    """Complete replies by key. Threads, tasks and processes may share it.

    Opening refuses what is no cache. After that nothing is raised: a file that breaks or a disk that fills up is warned
    of once, and the work goes on without cached replies, at their price.

    Args:
        path: of the file; it and its folder are made if they are not there. On a network drive SQLite cannot keep
            several processes apart: give a local path.

    Raises:
        InputError: the path cannot be written, or holds something else.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._guard = threading.Lock()
        self._warned = False
        self._working = {"read", "write"}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Two processes that both make the file would meet while it changes to WAL, where SQLite does not wait.
            with FileLock(f"{self.path}.lock", timeout=_BUSY_S):
                self._database = self._opened()
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"the response cache {self.path} cannot be used ({_in_words(error)}); "
                "delete the file, or set --cache to another path or to off"
            ) from None

    def get(self, key: str) -> CachedReply | None:
        """The reply stored under a key, None if there is none."""
        rows = self._tried("read", "SELECT reply FROM replies WHERE key = ?", (key,))
        if not rows:
            return None
        try:
            return CachedReply(**json.loads(rows[0][0]))
        except (TypeError, ValueError) as error:
            self._warn(error)
            return None

    def put(self, key: str, reply: CachedReply, model: str) -> None:
        """Stores a complete reply; if the key has one already, that one stays.

        Args:
            key: from `cache_key`.
            reply: its finish_reason is "stop", and its text is not blank.
            model: the name that was asked for, for `cache ls` and `cache prune`.
        """
        assert reply.finish_reason == "stop", "only complete replies are cached"
        assert reply.text.strip(), "only complete replies are cached"
        # In ASCII, since a reply may hold half a surrogate pair, which SQLite's UTF-8 does not take.
        row = (key, model, time.time(), json.dumps(asdict(reply)))
        self._tried("write", "INSERT INTO replies VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row)

    def models(self) -> list[CachedModel]:
        """What the cache holds, by model.

        Raises:
            InputError: it cannot be read.
        """
        query = (
            "SELECT model, count(*), sum(length(reply)), min(created), max(created) FROM replies "
            "GROUP BY model ORDER BY model"
        )
        with self._guard, self._stated():
            return [CachedModel(*row) for row in self._database.execute(query)]

    def prune(self, before: float | None = None, model: str | None = None) -> int:
        """Deletes replies, and gives their room back to the disk.

        Args:
            before: only those stored before this time, in seconds since 1970.
            model: only this model's.

        Returns:
            How many were deleted.

        Raises:
            InputError: it cannot be written.
        """
        with self._guard, self._stated():
            deleted = self._database.execute(
                "DELETE FROM replies WHERE created < coalesce(?, created + 1) AND model = coalesce(?, model)",
                (before, model),
            ).rowcount
            # As a script: a statement's rows have no columns here, and Python would stop after the first page.
            self._database.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
        return deleted

    def close(self) -> None:
        """Closes the file; the cache answers nothing more."""
        with self._guard:
            self._working.clear()
            self._database.close()

    def _opened(self) -> sqlite3.Connection:
        # Replies may be private; SQLite gives the files beside this one the same permissions.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        # Autocommit: every reply is a transaction of its own, in the file before anything else happens.
        database = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # works only before the first read of an empty file
            application_id = database.execute("PRAGMA application_id").fetchone()[0]
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                database.execute(f"PRAGMA user_version = {_VERSION}")
                database.execute(_TABLE)
            elif application_id != _APPLICATION_ID:
                raise sqlite3.DatabaseError("it is another program's database")
            elif version != _VERSION:
                raise sqlite3.DatabaseError(f"it has format {version}, and this version reads {_VERSION}")
            # A killed process loses nothing; only a power cut can take the last replies, and no fsync holds up a call.
            database.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            database.close()
            raise
        return database

    def _tried(self, kind: str, statement: str, values: Sequence[object]) -> list[Any]:
        """The rows of a statement; none once its kind of work has failed."""
        with self._guard:
            if kind not in self._working:
                return []
            try:
                return self._database.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                # A disk that is full can still be read, and a process that holds the file will let it go.
                if error.sqlite_errorname != "SQLITE_BUSY":
                    self._working.remove(kind)
                self._warn(error)
                return []

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            _LOG.warning(
                "the response cache %s fails (%s); the work goes on, and what the cache cannot give is paid for",
                self.path,
                _in_words(error),
            )

    @contextmanager
    def _stated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise InputError(f"the response cache {self.path} cannot be used ({_in_words(error)})") from None


def _in_words(error: Exception) -> str:
    if isinstance(error, Timeout):
        return "another process is making it"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
