"""A real HTTP server on this machine that answers chat completions as a test scripts it."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

KEY = "sk-this-is-a-secret-for-tests"


@dataclass
class Answer:
    """One HTTP answer."""

    body: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def says(text: str, finish_reason: str = "stop") -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
    return Answer(
        {"id": "1", "object": "chat.completion", "created": 0, "model": "m-0613", "choices": [choice], "usage": usage}
    )


def refuses(status: int, message: str, code: str | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer({"error": {"message": message, "type": "error", "code": code}}, status, named)


class ChatServer:
    """Records every call; answers with the scripted answers in order, then with `default`."""

    def __init__(self) -> None:
        self.calls: list[dict] = []
        self.keys: list[str] = []
        self.script: list[Answer] = []
        self.default = says("Answer: It is.\nExplanation: none")
        self.delay_s = 0.0
        self.at_once = 0
        self.most_at_once = 0
        self.base_url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.calls.append(await request.json())
        self.keys.append(request.headers["Authorization"])
        answer = self.script.pop(0) if self.script else self.default
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.delay_s)
        self.at_once -= 1
        if isinstance(answer.body, str):
            return web.Response(text=answer.body, content_type="text/html", status=answer.status)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """A running server; TEST_KEY holds the key."""
    monkeypatch.setenv("TEST_KEY", KEY)
    chat = ChatServer()
    loop = asyncio.new_event_loop()
    started, stopping = threading.Event(), asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        chat.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        await stopping.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(10)
    yield chat
    loop.call_soon_threadsafe(stopping.set)
    thread.join()
    loop.close()
