"""Reads the files a batch ends with: each request's reply, or why there is none and whether asking again can help.

Rows come in any order, twice or not at all, with parts missing, or are no JSON: whatever is not a readable answer to a
request leaves that request without one, and never another.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from skillmix_lightning.endpoint.reply import Reply, read_replies

_PASSING = frozenset({408, 409, 425, 429})
_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_LONGEST_QUOTE = 300


@dataclass(frozen=True)
class Outcome:
    """What a batch gave for a request.

    Attributes:
        reply: None if there is none; its model is "" if the server names none.
        failure: why, in one line.
        can_pass: whether the same request may succeed in another batch.
        answered: the server did the work, so it bills it, even if the answer is of no use.
    """

    reply: Reply | None = None
    failure: str = ""
    can_pass: bool = False
    answered: bool = False


def read_outcomes(*contents: bytes) -> dict[str, Outcome]:
    """The outcomes by custom_id, from the output and the error file. Of several rows, one with a reply counts."""
    outcomes: dict[str, Outcome] = {}
    for content in contents:
        for id, row in _rows(content):
            known = outcomes.get(id)
            if known is None or known.reply is None:
                outcome = _outcome(row)
                if known is None or outcome.reply is not None or (outcome.answered and not known.answered):
                    outcomes[id] = outcome
    return outcomes


def count_rows(content: bytes) -> int:
    """How many different requests a file has readable rows of."""
    return len({id for id, _ in _rows(content)})


def is_out_of_quota(code: object) -> bool:
    """Whether an error's code says that the account has to pay first."""
    return code in _QUOTA


def quoted(said: object) -> str:
    """What a server says, on one line and not too long."""
    return " ".join(str(said or "nothing").split())[:_LONGEST_QUOTE]


def _rows(content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in content.split(b"\n"):  # not splitlines, which also splits at \r and \x85 inside of a text
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("custom_id"), str):
            yield row["custom_id"], row


def _outcome(row: dict[str, Any]) -> Outcome:
    response, error = row.get("response"), row.get("error")
    if not isinstance(response, dict):
        said = _dict(error)
        code = said.get("code")
        return Outcome(
            failure=f"the batch gives no answer to it ({quoted(said.get('message') or code)})",
            can_pass=not is_out_of_quota(code),
        )
    status, body = response.get("status_code"), _dict(response.get("body"))
    if status == 200:
        return _answer(body)
    said = _dict(body.get("error")) or _dict(error)
    out_of_quota = is_out_of_quota(said.get("code")) or is_out_of_quota(said.get("type"))
    can_pass = not isinstance(status, int) or status in _PASSING or status >= 500 or status < 400
    return Outcome(
        failure=f"the server answers {status}: {quoted(said.get('message'))}", can_pass=can_pass and not out_of_quota
    )


def _answer(body: dict[str, Any]) -> Outcome:
    answer = read_replies(json.dumps(body).encode(), "")
    if isinstance(answer, str):  # what was billed for it cannot be trusted either: it counts at its most
        return Outcome(failure=f"the batch answers it with {answer}", can_pass=True, answered=True)
    replies, usage = answer
    return Outcome(reply=replace(replies[0], usage=usage), answered=True)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
