"""A chat client for any OpenAI-compatible server: as fast as the server allows, exact about money, safe to kill.

A call goes through a fixed order: the cache; a slot (`gate`: what the server accepts, the ceilings per minute, the
breaker); the most it can cost, reserved in the budget; the request; its cost, settled; the cache, if the reply is
complete. A request that fails in a way that passes goes back to the slot; there is no other retry (`retry`).

Keys never enter a config, a run folder or a message: a client knows the NAME of an environment variable.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import openai

from skillmix_lightning.endpoint.address import check_address
from skillmix_lightning.endpoint.bounds import tokens_at_most
from skillmix_lightning.endpoint.breaker import Breaker
from skillmix_lightning.endpoint.ceilings import PerMinute
from skillmix_lightning.endpoint.connections import Connections
from skillmix_lightning.endpoint.failures import Failure, Rejected, Unavailable, failure
from skillmix_lightning.endpoint.gate import Gate
from skillmix_lightning.endpoint.limit import CEILING, Limit, Ticket
from skillmix_lightning.endpoint.reply import Reply, read_replies, shared
from skillmix_lightning.endpoint.reservation import Reservation
from skillmix_lightning.endpoint.retry import Retries
from skillmix_lightning.endpoint.services import Services
from skillmix_lightning.errors import InputError, Stopped, raise_all

__all__ = ["ChatClient", "Reply"]

_NO_KEY = "not-needed"  # the openai library insists on one; local servers take any
_BYTES_PER_TOKEN = 4  # about what English has; the ceiling of tokens is corrected once the server has counted


class ChatClient:
    """Sends chat completions within one event loop: `async with ChatClient(...) as client: await client.complete(...)`.

    Args:
        base_url: of the server, usually ending in /v1.
        api_key_env: the environment variable that holds the key; it may be unset for servers that ask for none.
        concurrency: how many requests may be under way at once; None to find what the server accepts.
        requests_per_minute: a ceiling; None for none.
        tokens_per_minute: a ceiling of prompt and completion tokens together; None for none.
        timeout_s: for one request.
        services: the cache and the budget that the clients of a command share.

    Attributes:
        limit: what the server is found to accept.
        ceiling: how many requests may be under way at once, whatever it accepts.

    Raises:
        InputError: the address, the key or a limit cannot work.
    """

    def __init__(
        self,
        base_url: str,
        api_key_env: str,
        concurrency: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        timeout_s: float = 300.0,
        services: Services | None = None,
    ) -> None:
        check_address(base_url)
        limits = {
            "concurrency": concurrency,
            "requests_per_minute": requests_per_minute,
            "tokens_per_minute": tokens_per_minute,
        }
        problems = [f"{name} is {n}; it has to be at least 1" for name, n in limits.items() if n is not None and n < 1]
        if not timeout_s > 0:
            problems.append(f"timeout_s is {timeout_s}; it has to be above 0")
        raise_all(f"the endpoint {base_url}", problems)
        self._key = os.environ.get(api_key_env, "").strip() or _NO_KEY
        if not (self._key.isascii() and self._key.isprintable()):
            raise InputError(f"the key in {api_key_env} holds characters that no HTTP header can carry; set it again")
        self.base_url = base_url
        self.api_key_env = api_key_env
        self.ceiling = concurrency or CEILING
        self.timeout_s = timeout_s
        self.services = services or Services()
        # A number that the user gives is where to start; it is lowered only while the server refuses.
        self.limit = Limit(concurrency, concurrency) if concurrency else Limit()
        self._breaker = Breaker()
        ceilings = [PerMinute(n, time.monotonic()) if n else None for n in (requests_per_minute, tokens_per_minute)]
        self._gate = Gate(self.limit, self._breaker, *ceilings)
        self._ages = itertools.count()
        self._has_answered = False
        self._one_choice = False

    async def __aenter__(self) -> Self:
        self._connections = Connections(self.base_url, self._key, self.timeout_s)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.close()

    async def room(self) -> None:
        """Waits until so few calls wait for a slot that more should be started."""
        await self._gate.room()

    async def complete(
        self,
        messages: Sequence[Mapping[str, object]],
        model: str,
        *,
        prompt_id: str = "",
        round: int = 0,
        **options: Any,
    ) -> Reply:
        """Asks for the next message of a conversation.

        Args:
            messages: the conversation so far, each with a role and a content.
            model: the name the server knows the model by.
            prompt_id: of the prompt set, for the cache.
            round: which of several samples of the same conversation this is, for the cache.
            options: further fields of the request ("temperature", "max_tokens", …).

        Raises:
            InputError: the server refuses the key, the model or the request; asking again would not help.
            Unavailable: the server failed or refused too often (`retry`), or asks to wait for longer than a minute.
            Stopped: the budget is reached, or the server is dead.
        """
        key = self.services.key(self.base_url, model, messages, options, prompt_id, round)
        if kept := self.services.kept(key):
            return kept
        [reply, *_] = await self._ask(messages, model, options)
        self.services.keep(key, reply, model)
        return reply

    async def complete_n(
        self,
        messages: Sequence[Mapping[str, object]],
        model: str,
        n: int,
        *,
        prompt_id: str = "",
        round: int = 0,
        **options: Any,
    ) -> list[Reply]:
        """Asks for n samples of the next message, in one request if the server can, so that the prompt is paid once.

        Where it sends fewer, or rejects the field "n", the others are asked for one by one. Samples of one request get
        even shares of its tokens and cost. A seed counts up from sample to sample where they are asked for apart.

        Args:
            messages: as in `complete`.
            model: likewise.
            n: how many.
            prompt_id: likewise.
            round: of the first sample; the others count up.
            options: likewise.

        Returns:
            n replies, in the order of their rounds; the first of them only, if the server fails at one that is asked
            for apart: those before it are paid for.

        Raises:
            InputError: as in `complete`.
            Stopped: likewise.
        """
        own = [options | ({"seed": options["seed"] + i} if options.get("seed") is not None else {}) for i in range(n)]
        key = self.services.key
        keys = [key(self.base_url, model, messages, own[i], prompt_id, round + i) for i in range(n)]
        replies = {i: kept for i in range(n) if (kept := self.services.kept(keys[i]))}
        missing = [i for i in range(n) if i not in replies]
        if len(missing) > 1 and not self._one_choice:
            sampled = await self._sampled(messages, model, {**own[missing[0]], "n": len(missing)})
            self._one_choice = len(sampled) < len(missing)
            for i, reply in zip(missing, sampled, strict=False):
                replies[i] = reply
                self.services.keep(keys[i], reply, model)
        for i in range(n):
            if i in replies:
                continue
            try:
                replies[i] = await self.complete(messages, model, prompt_id=prompt_id, round=round + i, **own[i])
            except Unavailable:
                if i == 0:
                    raise
                return [replies[before] for before in range(i)]
        return [replies[i] for i in range(n)]

    async def _sampled(
        self, messages: Sequence[Mapping[str, object]], model: str, options: Mapping[str, Any]
    ) -> list[Reply]:
        try:
            return await self._ask(messages, model, options)
        except Rejected as rejected:
            if rejected.status not in (400, 422):
                raise
        return []  # if it is not for the "n" that it rejects it, it says so again

    async def _ask(
        self, messages: Sequence[Mapping[str, object]], model: str, options: Mapping[str, Any]
    ) -> list[Reply]:
        """The replies to a request, tried until it succeeds or is given up; what attempts have cost is theirs."""
        request = {**options, "messages": list(messages), "model": model}
        prompt, completion = at_most = tokens_at_most(messages, options)
        age, retries, attempts, cost_usd = next(self._ages), Retries(), 0, 0.0
        while True:
            ticket = await self._gate.enter(age, planned := prompt // _BYTES_PER_TOKEN + (completion or 0))
            attempts += 1
            outcome, attempt_usd = await self._attempt(ticket, request, at_most, planned)
            cost_usd += attempt_usd
            if not isinstance(outcome, Failure):
                replies, usage = outcome
                return shared(replies, usage, cost_usd, attempts)
            # Raised outside of any `except`, so that no openai error, whose request holds the key, hangs on to it.
            if not outcome.passes:
                raise Rejected(outcome.line, outcome.status)
            dead = self._breaker.is_open
            await asyncio.sleep(
                retries.wait(
                    outcome.line, time.monotonic(), outcome.refused, dead and not outcome.refused, outcome.asked
                )
            )

    async def _attempt(
        self, ticket: Ticket, request: Mapping[str, Any], at_most: tuple[int, int | None], planned: int
    ) -> tuple[tuple[list[Reply], dict[str, int]] | Failure, float]:
        """What came of one request, and what it cost. The slot and the reservation have ended, whatever happens."""
        reservation: Reservation | None = None
        try:
            if budget := self.services.budget:
                reservation = await budget.reserve_soon(request["model"], *at_most)
            outcome = await self._send(request)
        except BaseException:
            self.limit.failed(ticket)
            if reservation:
                reservation.settle_lost()
            self._gate.turn()
            raise
        cost_usd = 0.0
        if not isinstance(outcome, Failure):
            self.limit.succeeded(ticket, time.monotonic())
            self._breaker.succeeded()
            replies, usage = outcome
            if reservation:
                cost_usd = reservation.settle(usage, replies[0].model)
            self._gate.used(sum(usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens")) - planned)
        else:
            if reservation and outcome.lost:
                cost_usd = reservation.settle_lost()
            elif reservation:
                reservation.release()
            self._note(outcome, ticket)
        self._gate.turn()
        return outcome, cost_usd

    def _note(self, failed: Failure, ticket: Ticket) -> None:
        """Tells a failure to those who decide how the others go on."""
        if failed.crowded:
            self.limit.refused(ticket, time.monotonic(), failed.asked)
        else:
            self.limit.failed(ticket)
        if failed.passes and not failed.refused:
            try:
                self._breaker.failed(ticket.sent, time.monotonic(), failed.line)
            except Stopped as down:
                self._gate.close(down)
                raise

    async def _send(self, request: Mapping[str, Any]) -> tuple[list[Reply], dict[str, int]] | Failure:
        try:
            response = await self._connections.post("/chat/completions", request)
        except openai.APIError as error:
            return failure(error, self.base_url, self.api_key_env, self._key)
        replies = read_replies(response.content, request["model"])
        if isinstance(replies, str):
            line = f"the server at {self.base_url} sends {replies}"
            # A web page is what a wrong address answers with; a server that has answered before has a moment's trouble.
            if "html" in response.headers.get("content-type", "") and not self._has_answered:
                return Failure(
                    f"the server at {self.base_url} sends a web page; does base_url end in /v1?", passes=False
                )
            return Failure(f"{line}; does base_url end in /v1?", lost=True)
        self._has_answered = True
        return replies
