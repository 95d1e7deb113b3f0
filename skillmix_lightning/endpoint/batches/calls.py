"""The calls that batches need at the server: files and batches, each tried again while that can help.

Making a batch is the one call that must not simply be repeated: a server that made it and whose answer was lost would
make, and bill, another. `BatchCalls.create` looks for it first.
"""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import IO, TypeVar

import openai
from openai.types import Batch, FileObject

from skillmix_lightning.endpoint.batches.requests import CHAT
from skillmix_lightning.endpoint.failures import Failure, failure
from skillmix_lightning.endpoint.retry import Retries
from skillmix_lightning.errors import InputError

_LOG = logging.getLogger(__name__)
_METADATA_KEY = "skillmix_key"
_NOT_FOUND = 404
_SHORTEST_SECRET = 16  # shorter keys are placeholders for local servers ("EMPTY"), which texts may well contain
_Answer = TypeVar("_Answer")


class Gone(InputError):
    """The server does not have what was asked for by its id."""


class BatchCalls:
    """Files and batches of one server.

    Args:
        base_url: of the server.
        api_key_env: the variable that held the key, for messages.
        key: the key itself; it is struck out of messages and contents.
        timeout_s: for one call.
        settle_s: how long after a call that was cut off its batch may still turn up at the server.
    """

    def __init__(self, base_url: str, api_key_env: str, key: str, timeout_s: float, settle_s: float) -> None:
        self._base_url = base_url
        self._api_key_env = api_key_env
        self._key = key
        self._settle_s = settle_s
        # Retries are made here and only here: the library would also make a batch twice.
        self._openai = openai.OpenAI(api_key=key, base_url=base_url, timeout=timeout_s, max_retries=0)

    def close(self) -> None:
        """Closes the connections."""
        self._openai.close()

    def find_file(self, name: str, size: int) -> str | None:
        """The id of a batch file of this name and size that is at the server."""
        for file in self._again(lambda: _all(lambda: self._openai.files.list(purpose="batch"), FileObject)):
            if file.filename == name and file.bytes == size and file.status != "error":
                return file.id
        return None

    def upload(self, name: str, content: IO[bytes]) -> str:
        """Uploads a batch file and returns its id."""

        def once() -> FileObject:
            content.seek(0)
            return _whole(self._openai.files.create(file=(name, content), purpose="batch"), FileObject)

        return self._again(once).id

    def create(self, key: str, file_id: str, window: str) -> str:
        """Makes a batch that is not there, once and no more, and returns its id.

        Args:
            key: the batch's, which its metadata carries.
            file_id: of its file.
            window: how long the server may take for it.

        Raises:
            InputError: the server refuses it.
            Unavailable: the server keeps failing.
        """
        retries, unsure = Retries(), False
        while True:
            if unsure and (found := self.find(key, file_id)):
                return found
            try:
                batch = self._create_once(key, file_id, window)
            except (openai.APIError, ValueError) as error:
                failed = self._failure(error)
            else:
                # A batch that turned up only after it was looked for would be paid for beside this one.
                return (unsure and self._only(key, file_id)) or batch.id
            unsure = unsure or not failed.refused
            self._wait(retries, failed)

    def retrieve(self, batch_id: str) -> Batch:
        """How a batch stands. One that was just made may take a moment to turn up."""

        def once() -> Batch:
            return _whole(self._openai.batches.retrieve(batch_id), Batch)

        try:
            return self._again(once)
        except Gone:
            time.sleep(self._settle_s)
            return self._again(once)

    def content(self, file_id: str) -> bytes:
        """A file's content, without the key."""
        content: bytes = self._again(lambda: self._openai.files.content(file_id).content)
        return content.replace(self._key.encode(), b"***") if len(self._key) >= _SHORTEST_SECRET else content

    def struck(self, said: str) -> str:
        """What the server says, without the key."""
        return said.replace(self._key, "***") if len(self._key) >= _SHORTEST_SECRET else said

    def _create_once(self, key: str, file_id: str, window: str) -> Batch:
        batch = self._openai.batches.create(
            input_file_id=file_id,
            endpoint=CHAT,
            completion_window=window,  # type: ignore[arg-type]  # servers other than OpenAI's know more than "24h"
            metadata={_METADATA_KEY: key},
            extra_headers={"Idempotency-Key": key},
        )
        return _whole(batch, Batch)

    def find(self, key: str, file_id: str) -> str | None:
        """The id of the batch with this key or file; None only after the time in which one just made turns up."""
        if found := self._only(key, file_id):
            return found
        time.sleep(self._settle_s)
        return self._only(key, file_id)

    def _only(self, key: str, file_id: str) -> str | None:
        """The id of the first batch of a key; others, which would be paid for in vain, are cancelled."""

        def same(batch: Batch) -> bool:
            metadata = batch.metadata if isinstance(batch.metadata, dict) else {}
            return metadata.get(_METADATA_KEY) == key or batch.input_file_id == file_id

        batches = self._again(lambda: _all(lambda: self._openai.batches.list(limit=100), Batch))
        batches = [batch for batch in batches if same(batch)]
        batches.sort(key=lambda batch: (batch.created_at, batch.id))
        for twin in batches[1:]:
            if twin.status in ("validating", "in_progress"):
                _LOG.warning("the server made batch %s twice; its twin %s is cancelled", batches[0].id, twin.id)
                self._again(partial(self._openai.batches.cancel, twin.id))
        return batches[0].id if batches else None

    def _again(self, call: Callable[[], _Answer]) -> _Answer:
        """The answer of a call that may be repeated.

        Raises:
            Gone: the server answers 404.
            InputError: it refuses the call otherwise.
            Unavailable: it keeps failing.
        """
        retries = Retries()
        while True:
            try:
                return call()
            except (openai.APIError, ValueError) as error:
                failed = self._failure(error)
            self._wait(retries, failed)

    def _failure(self, error: openai.APIError | ValueError) -> Failure:
        if isinstance(error, openai.APIError):
            return failure(error, self._base_url, self._api_key_env, self._key)
        # No JSON, or JSON of something else; the request may have been carried out all the same.
        line = f"the server at {self._base_url} sends what cannot be read; check base_url, and that it has batches"
        return Failure(line, lost=True)

    def _wait(self, retries: Retries, failed: Failure) -> None:
        """Waits before the next attempt, or raises; outside of any `except`, as openai's errors hold the key."""
        if failed.status == _NOT_FOUND:
            raise Gone(failed.line)
        if not failed.passes:
            raise InputError(failed.line)
        time.sleep(retries.wait(failed.line, time.monotonic(), failed.refused, dead=False, asked=failed.asked))


def _all(listed: Callable[[], Iterable[object]], kind: type[_Answer]) -> list[_Answer]:
    """What is on all pages of a listing.

    Raises:
        ValueError: something else is on one.
    """
    try:
        first = listed()
        found = list(first)
    except (AttributeError, TypeError):  # the openai library takes a web page for a page of a listing
        raise ValueError("no listing") from None
    if not isinstance(getattr(first, "data", None), list):  # it has no items, and says nothing about what there is
        raise ValueError("no listing")
    return [_whole(each, kind) for each in found]


def _whole(answer: object, kind: type[_Answer]) -> _Answer:
    """An answer of a kind: the openai library makes one of any JSON object, with whatever fields that has.

    Raises:
        ValueError: it is something else.
    """
    needed = {"id": str, "created_at": int} | ({"status": str, "input_file_id": str} if kind is Batch else {})
    if not isinstance(answer, kind) or not all(isinstance(getattr(answer, n, None), t) for n, t in needed.items()):
        raise ValueError(f"no {kind.__name__}")
    return answer
