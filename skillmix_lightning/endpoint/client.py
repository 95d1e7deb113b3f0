"""A chat client for any OpenAI-compatible server, with a concurrency limit and the only retries there are.

Keys never enter it, nor a config, a run folder or a message: a client knows the NAME of an environment variable.
"""

import asyncio
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import openai

from skillmix_lightning.endpoint.failures import Unavailable, asked_wait, can_pass, described
from skillmix_lightning.errors import InputError

ATTEMPTS = 6
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
_NO_KEY = "not-needed"  # the openai library insists on one; local servers take any


@dataclass(frozen=True)
class Reply:
    """A server's answer to one request.

    Attributes:
        text: the message.
        finish_reason: as the server words it: "stop", "length", "content_filter"; "" where it gives none.
        usage: "prompt_tokens" and "completion_tokens", where the server counts them.
        model: the model that answered, which may be a dated version of the one asked for.
    """

    text: str
    finish_reason: str
    usage: dict[str, int]
    model: str


class ChatClient:
    """Sends chat completions within one event loop: `async with ChatClient(...) as client: await client.complete(...)`.

    Args:
        base_url: of the server, usually ending in /v1.
        api_key_env: the environment variable that holds the key; it may be unset for servers that ask for none.
        concurrency: how many requests may be under way at once.
        timeout_s: for one request.

    Raises:
        InputError: the address, the key or the limit cannot work.
    """

    def __init__(self, base_url: str, api_key_env: str, concurrency: int = 8, timeout_s: float = 300.0) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise InputError(f"base_url {base_url!r} is no http:// or https:// address")
        if address.username or address.password:
            raise InputError("base_url holds a user name or password; put the key into the variable api_key_env names")
        if concurrency < 1:
            raise InputError(f"concurrency is {concurrency}; it has to be at least 1")
        self._key = os.environ.get(api_key_env, "").strip() or _NO_KEY
        if not (self._key.isascii() and self._key.isprintable()):
            raise InputError(f"the key in {api_key_env} holds characters that no HTTP header can carry; set it again")
        self.base_url = base_url
        self.api_key_env = api_key_env
        self.concurrency = concurrency
        self.timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        self._slots = asyncio.Semaphore(self.concurrency)
        # Retries are made below and only there: the library would also repeat requests that are out of quota.
        self._openai = openai.AsyncOpenAI(
            api_key=self._key, base_url=self.base_url, timeout=self.timeout_s, max_retries=0
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._openai.close()

    async def complete(self, messages: Sequence[Mapping[str, object]], model: str, **options: Any) -> Reply:
        """Asks for the next message of a conversation.

        Args:
            messages: the conversation so far, each with a role and a content.
            model: the name the server knows the model by.
            options: further fields of the request ("temperature", "max_tokens", …).

        Raises:
            InputError: the server refuses the key, the model or the request; asking again would not help.
            Unavailable: the server failed `ATTEMPTS` times, or asks to wait for longer than a minute.
        """
        async with self._slots:
            for attempt in range(ATTEMPTS):
                failure = await self._try(messages, model, options)
                if isinstance(failure, Reply):
                    return failure
                # Raised outside of any `except`, so that no openai error, whose request holds the key, hangs on to it.
                line = described(failure, self.base_url, self.api_key_env, self._key)
                if not can_pass(failure):
                    raise InputError(line)
                wait = _wait_before_retry(attempt, asked_wait(failure))
                if wait > LONGEST_WAIT_S:
                    raise Unavailable(f"{line}; it asks to wait {wait:.0f} s")
                if attempt + 1 < ATTEMPTS:
                    await asyncio.sleep(wait)
        raise Unavailable(f"{line}; given up after {ATTEMPTS} attempts")

    async def _try(
        self, messages: Sequence[Mapping[str, object]], model: str, options: Mapping[str, Any]
    ) -> Reply | openai.APIError:
        request: dict[str, Any] = {**options, "messages": list(messages), "model": model}
        try:
            completion: object = await self._openai.chat.completions.create(**request)
        except openai.APIError as error:
            return error
        if not isinstance(completion, openai.types.chat.ChatCompletion) or not completion.choices:
            raise InputError(f"the server at {self.base_url} sends no chat completion; does base_url end in /v1?")
        choice = completion.choices[0]
        finish_reason: str | None = choice.finish_reason  # typed as always there; some servers leave it out
        usage = {}
        if completion.usage:
            usage = {
                "prompt_tokens": completion.usage.prompt_tokens,
                "completion_tokens": completion.usage.completion_tokens,
            }
        return Reply(choice.message.content or "", finish_reason or "", usage, completion.model or model)


def _wait_before_retry(attempt: int, asked: float | None) -> float:
    """Seconds: what the server asks for, else a doubling wait, spread so that parallel requests come apart."""
    if asked is not None:
        return asked
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**attempt) * random.uniform(0.5, 1.0)
