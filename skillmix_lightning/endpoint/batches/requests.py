"""Requests and results of batches as the caller sees them, and the lines of batch files that requests become."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from skillmix_lightning.endpoint.bounds import tokens_at_most
from skillmix_lightning.endpoint.cache import cache_key
from skillmix_lightning.endpoint.reply import Reply
from skillmix_lightning.errors import raise_all

CHAT: Final = "/v1/chat/completions"
_LISTED = 10


@dataclass(frozen=True)
class BatchRequest:
    """One request of many.

    Attributes:
        key: the caller's name for it, unlike any other's. It is not sent.
        messages: the conversation, each message with a role and a content.
        model: the name the server knows the model by.
        options: further fields of the request ("temperature", "max_tokens", …).
        prompt_id: of the prompt set, which tells apart what is cached.
        round: the generation or grading round, likewise.
    """

    key: str
    messages: Sequence[Mapping[str, object]]
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    prompt_id: str = ""
    round: int = 0


@dataclass(frozen=True)
class BatchResult:
    """What became of a request: a reply, or why there is none.

    Attributes:
        key: the request's.
        reply: the server's, None if there is none.
        failure: one line; empty if there is a reply.
        cost_usd: what the request cost, all its attempts together, where a budget knows prices. Failures may cost too.
    """

    key: str
    reply: Reply | None
    failure: str = ""
    cost_usd: float = 0.0


@dataclass(frozen=True)
class BatchProgress:
    """How far a call of `complete_many` is, told after every poll.

    Attributes:
        requests: how many there are.
        done: how many have a result.
        answered: how many more the server has answered in batches that have not ended.
        batches: how many batches are under way.
    """

    requests: int
    done: int
    answered: int
    batches: int


@dataclass
class Item:
    """A request as it is sent, once for all callers' keys that ask for the very same, and how it stands.

    Attributes:
        id: its cache key, which is also its custom_id at the server: a hash, so no names leave with it.
        request: what is asked.
        keys: the callers'.
        size: of its line in a batch file, in bytes.
        at_most: the tokens it can take, (prompt, completion); None for a completion without a limit.
        attempts: in how many ended batches it was and got no usable answer.
        failure: why the last of them gave none.
        final: no further batch is to ask again.
        reply: the server's.
        cost: of all attempts, in dollars.
    """

    id: str
    request: BatchRequest
    keys: list[str]
    size: int
    at_most: tuple[int, int | None]
    attempts: int = 0
    failure: str = ""
    final: bool = False
    reply: Reply | None = None
    cost: float = 0.0

    def line(self) -> bytes:
        """The request's line in a batch file."""
        return _line(self.id, self.request)


def items_of(requests: Iterable[BatchRequest], base_url: str, max_bytes: int) -> dict[str, Item]:
    """The requests by id, in their order.

    Raises:
        InputError: requests share a key, ask for what a batch cannot do, or do not fit into a file; all are listed.
    """
    items: dict[str, Item] = {}
    keys: set[str] = set()
    problems: list[str] = []
    for request in requests:
        if request.key in keys:
            problems.append(f"two requests have the key {request.key!r}")
        keys.add(request.key)
        problems += [f"request {request.key!r}: {problem}" for problem in _problems(request)]
        try:
            id = cache_key(base_url, request.model, request.messages, request.options, request.prompt_id, request.round)
            size = len(_line(id, request))
        except (TypeError, ValueError) as error:
            problems.append(f"request {request.key!r}: no JSON can hold it ({error})")
            continue
        if size > max_bytes:
            problems.append(f"request {request.key!r}: it has {size} bytes, and a batch file holds {max_bytes}")
        if id in items:
            items[id].keys.append(request.key)
        else:
            items[id] = Item(id, request, [request.key], size, tokens_at_most(request.messages, request.options))
    more = len(problems) - _LISTED
    raise_all("the batch", problems[:_LISTED] + ([f"and {more} more problems"] if more > 0 else []))
    return items


def parts(items: Iterable[Item], max_requests: int, max_bytes: int) -> Iterator[list[Item]]:
    """Cuts items into batches of one model each that keep both limits; the order stays."""
    by_model: dict[str, list[Item]] = {}
    for item in items:
        by_model.setdefault(item.request.model, []).append(item)
    for same_model in by_model.values():
        part: list[Item] = []
        size = 0
        for item in same_model:
            if part and (len(part) == max_requests or size + item.size > max_bytes):
                yield part
                part, size = [], 0
            part.append(item)
            size += item.size
        yield part


def _problems(request: BatchRequest) -> Iterator[str]:
    if not request.messages:
        yield "it has no messages"
    if request.options.get("n") not in (None, 1):
        yield "one reply each is read; ask for several by several requests that differ in round, instead of n"
    if request.options.get("stream"):
        yield "a batch cannot stream; leave stream out"


def _line(id: str, request: BatchRequest) -> bytes:
    body = {**request.options, "messages": list(request.messages), "model": request.model}
    row = {"custom_id": id, "method": "POST", "url": CHAT, "body": body}
    return json.dumps(row, sort_keys=True, allow_nan=False).encode() + b"\n"
