"""How batches end at the test server, and the rows of their result files."""

from collections.abc import Callable
from dataclasses import dataclass, field

from chat_server import Answer


@dataclass
class Ending:
    """How a batch ends; a test changes what it would have been.

    Attributes:
        status: that it ends with.
        output: rows of its output file.
        errors: rows of its error file.
        failures: why validation failed, as the API words it.
        counted: the answers the server counts; those in `output` if None.
        tail: what follows the output file's last row.
    """

    output: list[dict]
    errors: list[dict] = field(default_factory=list)
    status: str = "completed"
    failures: list[dict] = field(default_factory=list)
    counted: int | None = None
    tail: bytes = b""


def result_row(custom_id: str, answer: Answer) -> dict:
    response = {"status_code": answer.status, "request_id": "r", "body": answer.body}
    return {"id": f"row-{custom_id[:8]}", "custom_id": custom_id, "response": response, "error": None}


def expired_row(row: dict) -> dict:
    """What an expired batch's error file has for a request that was not answered."""
    error = {"code": "batch_expired", "message": "This request could not be executed before the window ended."}
    return {"id": row["id"], "custom_id": row["custom_id"], "response": None, "error": error}


def ends_early(status: str, answered: int, with_rows: bool = True) -> Callable[[Ending], None]:
    """A batch that expired or was cancelled after the first so many answers."""

    def change(ending: Ending) -> None:
        ending.status = status
        if with_rows:
            ending.errors += [expired_row(row) for row in ending.output[answered:]]
        del ending.output[answered:]

    return change


def fails(code: str, message: str, line: int | None = None) -> Callable[[Ending], None]:
    """A batch that its validation refused."""

    def change(ending: Ending) -> None:
        ending.status, ending.output, ending.errors = "failed", [], []
        ending.failures = [{"code": code, "message": message, "line": line, "param": None}]

    return change


def answered_id(row: object) -> str | None:
    """The custom_id of a row with an answer, None for any other row that a test may put there."""
    response = row.get("response") if isinstance(row, dict) else None
    return row.get("custom_id") if response and response["status_code"] == 200 else None
