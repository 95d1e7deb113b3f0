"""A server's answer, read with distrust: what a proxy or a broken server sends may be anything."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Reply:
    """A server's answer to one request.

    Attributes:
        text: the message.
        finish_reason: as the server words it: "stop", "length", "content_filter"; "" where it gives none.
        usage: "prompt_tokens" and "completion_tokens", where the server counts them, and "cached_tokens" for how many
            of the prompt's came from the provider's own cache, if any did.
        model: the model that answered, which may be a dated version of the one asked for.
        cached: whether it was answered before, and nothing was sent.
        cost_usd: dollars, with those of attempts whose reply was lost; 0.0 where nobody counts.
        attempts: how many requests it took; 0 if cached.
    """

    text: str
    finish_reason: str
    usage: dict[str, int]
    model: str
    cached: bool = False
    cost_usd: float = 0.0
    attempts: int = 1

    @property
    def is_complete(self) -> bool:
        """Whether the model ended it by itself, and said something."""
        return self.finish_reason == "stop" and bool(self.text.strip())


def read_replies(body: bytes, model: str) -> tuple[list[Reply], dict[str, int]] | str:
    """The replies of a chat completion and the usage of them all, or what is wrong with it.

    Args:
        body: of the HTTP answer.
        model: the name that was asked for, for servers that name none.
    """
    try:
        completion = json.loads(body)
    except ValueError:
        return "no JSON" if body.strip() else "nothing"
    if not isinstance(completion, dict) or not isinstance(completion.get("choices"), list):
        return "no chat completion"
    choices = completion["choices"]
    if not choices:
        return "a chat completion without choices"
    usage = _usage(completion.get("usage"))
    named = completion.get("model")
    replies = [_reply(choice, named if isinstance(named, str) and named else model) for choice in choices]
    if any(reply is None for reply in replies):
        return "a choice without a message"
    return [reply for reply in replies if reply is not None], usage


def shared(replies: Sequence[Reply], usage: dict[str, int], cost_usd: float, attempts: int) -> list[Reply]:
    """The replies of one request, each with a share of its tokens and cost, so that their sums are the request's."""
    number = len(replies)
    shares = [
        {name: count // number + (index < count % number) for name, count in usage.items()} for index in range(number)
    ]
    return [
        replace(reply, usage=share, cost_usd=cost_usd / number, attempts=attempts)
        for reply, share in zip(replies, shares, strict=True)
    ]


def _reply(choice: Any, model: str) -> Reply | None:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return None
    text, finish_reason = message.get("content"), choice.get("finish_reason")
    if not isinstance(text, str | None) or not isinstance(finish_reason, str | None):
        return None
    if refusal := message.get("refusal"):
        # OpenAI ends a refusal with "stop", as if the model had done what it was asked for.
        return Reply(str(refusal), "content_filter", {}, model)
    return Reply(text or "", finish_reason or "", {}, model)


def _usage(said: Any) -> dict[str, int]:
    if not isinstance(said, dict):
        return {}
    usage = {name: said[name] for name in ("prompt_tokens", "completion_tokens") if _is_count(said.get(name))}
    details = said.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return usage | ({"cached_tokens": cached} if cached and _is_count(cached) else {})


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
