"""Sends requests to the batch server of a test, and says what it was asked."""

from collections.abc import Callable
from pathlib import Path

import pytest
from batch_server import BatchServer, echo
from batch_server import batch_server as batch_server  # a fixture
from chat_server import Answer

from skillmix_lightning.endpoint import retry
from skillmix_lightning.endpoint.batches import BatchClient, BatchRequest, BatchResult

Send = Callable[..., dict[str, BatchResult]]


@pytest.fixture
def send(batch_server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Send:
    """Sends requests from one folder and gives the results by key."""
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.001)

    def send(requests, **settings) -> dict[str, BatchResult]:
        results = list(client(batch_server, tmp_path, **settings).complete_many(requests))
        assert len(results) == len({result.key for result in results})
        return {result.key: result for result in results}

    return send


def client(server, folder, **settings) -> BatchClient:
    settings = {"poll_seconds": 0.001, "settle_s": 0.02} | settings
    return BatchClient(server.base_url, "TEST_KEY", folder / "batches", **settings)


def request(number: int, **fields) -> BatchRequest:
    messages = [{"role": "user", "content": f"Request {number}"}]
    return BatchRequest(f"key {number}", messages, **{"model": "m", "options": {"max_tokens": 10}} | fields)


def requests(count: int) -> list[BatchRequest]:
    return [request(number) for number in range(count)]


def texts(results: dict[str, BatchResult]) -> dict[str, str | None]:
    return {key: result.reply and result.reply.text for key, result in results.items()}


def answers(count: int) -> dict[str, str]:
    return {f"key {number}": f"You say: Request {number}" for number in range(count)}


def asked(server) -> list[list[str]]:
    """What every batch asked, in the order they were made."""
    return [
        [row["body"]["messages"][-1]["content"].removeprefix("Request ") for row in rows] for rows in server.inputs()
    ]


def scripted(failing: dict[str, list[Answer]]):
    """Answers some requests with these first, and echoes the rest."""
    left = {said: list(each) for said, each in failing.items()}

    def respond(body):
        said = body["messages"][-1]["content"]
        return left[said].pop(0) if left.get(said) else echo(body)

    return respond
