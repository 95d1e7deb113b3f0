"""A real HTTP server on this machine that answers chat completions as a test scripts it, and can misbehave."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web

KEY = "sk-this-is-a-secret-for-tests"
Respond = Callable[[dict], "Answer"]


@dataclass
class Answer:
    """One HTTP answer.

    `delay_s` comes on top of the server's. A `cut` answer's connection is reset in the middle of its body; one that
    `hangs` never comes.
    """

    body: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False
    hangs: bool = False


def says(text: str, finish_reason: str = "stop", n: int = 1, model: str = "m-0613") -> Answer:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
        for index in range(n)
    ]
    usage = {"prompt_tokens": 10, "completion_tokens": 3 * n, "total_tokens": 10 + 3 * n}
    return Answer(
        {"id": "1", "object": "chat.completion", "created": 0, "model": model, "choices": choices, "usage": usage}
    )


def refuses(status: int, message: str, code: str | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer({"error": {"message": message, "type": "error", "code": code}}, status, named)


def declines(text: str) -> Answer:
    """A refusal as OpenAI words it: a field of its own, and no content."""
    answer = says("")
    answer.body["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": text}
    return answer


CUT_OFF = replace(says("It is a long story."), cut=True)
HANGS = replace(says("Never."), hangs=True)
MALFORMED = Answer('{"id": "1", "choices": [{"index": 0, "mess', headers={"Content-Type": "application/json"})
NO_CHOICES = Answer({"id": "1", "object": "chat.completion", "created": 0, "model": "m-0613", "choices": []})

# What may come instead of a reply and passes by itself; then what comes as one and is not complete.
PASSING = {
    "429": refuses(429, "slow down"),
    "429 with Retry-After": refuses(429, "slow down", Retry_After="0.05"),
    "429 with reset headers": refuses(
        429, "slow down", x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="50ms"
    ),
    "500": refuses(500, "oops"),
    "503": refuses(503, "overloaded"),
    "hang": HANGS,
    "cut off": CUT_OFF,
    "malformed": MALFORMED,
    "no choices": NO_CHOICES,
}
INCOMPLETE = {
    "length": says("It is", "length"),
    "content_filter": says("", "content_filter"),
    "declined": declines("I cannot help with that."),
    "empty": says(" "),
}


def sometimes(share: float, bad: list[Answer], good: Respond, seed: int = 0) -> Respond:
    """Answers with one of the bad answers, drawn evenly, in this share of the requests."""
    draw = random.Random(seed)
    return lambda call: draw.choice(bad) if draw.random() < share else good(call)


class Allowance:
    """How many requests a second a server accepts: a token bucket whose rate can be changed.

    `burst` requests may come at once. Accepted requests and refused ones are counted by the second in which they came.
    """

    def __init__(self, per_second: float, burst: int = 5) -> None:
        self.burst = burst
        self.since = self._filled = time.monotonic()
        self._level = float(burst)
        self.per_second = per_second
        self.accepted: list[float] = []
        self.refused: list[float] = []

    def takes(self) -> bool:
        now = time.monotonic()
        self._level = min(self.burst, self._level + (now - self._filled) * self.per_second)
        self._filled = now
        if self._level < 1:
            self.refused.append(now - self.since)
            return False
        self._level -= 1
        self.accepted.append(now - self.since)
        return True


class ChatServer:
    """Records every call, and answers in this order: the limits, the script, `respond`, `default`.

    Attributes:
        calls: the bodies of all requests.
        keys: their Authorization headers.
        peers: the connections they came over.
        log: (seconds since the first, status) of every answer; 0 for one that was cut, hung or not waited for.
        script: answers, each used once.
        respond: makes an answer from a request's body.
        default: for every other request.
        delay_s: of every answer but those of the limits.
        most_in_flight: more requests at once are refused at once; None for no limit.
        allowance: likewise by the second.
        refusal: what the limits answer with.
        at_once: requests under way, and `most_at_once` the most there were.
        keeps_calls: whether `calls` and `keys` are kept.
    """

    def __init__(self) -> None:
        self.calls: list[dict] = []
        self.keys: list[str] = []
        self.peers: set[object] = set()
        self.log: list[tuple[float, int]] = []
        self.script: list[Answer] = []
        self.respond: Respond | None = None
        self.default = says("Answer: It is.\nExplanation: none")
        self.delay_s = 0.0
        self.most_in_flight: int | None = None
        self.allowance: Allowance | None = None
        self.refusal = refuses(429, "Too many requests")
        self.at_once = 0
        self.most_at_once = 0
        self.base_url = ""
        self.keeps_calls = True
        self._first: float | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._first = time.monotonic() if self._first is None else self._first
        self.peers.add(request.transport.get_extra_info("peername"))
        call = await request.json()
        if self.keeps_calls:
            self.calls.append(call)
            self.keys.append(request.headers["Authorization"])
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        status = 0
        try:
            answer, delay_s = self._answer_to(call)
            await asyncio.sleep(3600 if answer.hangs else delay_s)
            response = await self._sent(request, answer)
            status = 0 if answer.cut else answer.status
            return response
        finally:
            self.at_once -= 1
            self.log.append((time.monotonic() - self._first, status))

    def _answer_to(self, call: dict) -> tuple[Answer, float]:
        if self.most_in_flight is not None and self.at_once > self.most_in_flight:
            return self.refusal, 0.0
        if self.allowance and not self.allowance.takes():
            return self.refusal, 0.0
        answer = self.script.pop(0) if self.script else self.respond(call) if self.respond else self.default
        return answer, self.delay_s + answer.delay_s

    async def _sent(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        if answer.cut:
            whole = web.json_response(answer.body).body
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.content_length = len(whole)
            await response.prepare(request)
            await response.write(whole[: len(whole) // 2])
            request.transport.abort()
            return response
        if isinstance(answer.body, str):
            headers = {"Content-Type": "text/html"} | answer.headers
            return web.Response(text=answer.body, status=answer.status, headers=headers)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)


def routes(chat: ChatServer) -> list[web.RouteDef]:
    return [web.post("/v1/chat/completions", chat.answer)]


@asynccontextmanager
async def listening(app_routes: list[web.RouteDef]) -> AsyncIterator[int]:
    """A server with these routes on a free port."""
    app = web.Application(client_max_size=2**30)
    app.add_routes(app_routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextmanager
def serving(app_routes: list[web.RouteDef]) -> Iterator[str]:
    """The same in a thread of its own; gives the base_url."""
    loop = asyncio.new_event_loop()
    started, stopping = threading.Event(), asyncio.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with listening(app_routes) as port:
            ports.append(port)
            started.set()
            await stopping.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(10)
    try:
        yield f"http://127.0.0.1:{ports[0]}/v1"
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """A running server; TEST_KEY holds the key."""
    monkeypatch.setenv("TEST_KEY", KEY)
    chat = ChatServer()
    with serving(routes(chat)) as chat.base_url:
        yield chat
