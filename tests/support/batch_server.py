"""A real HTTP server on this machine that speaks files and batches as OpenAI does, counts all, and can misbehave."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from batch_endings import Ending, answered_id, result_row
from chat_server import KEY, Answer, says, serving


@dataclass
class StoredFile:
    id: str
    filename: str
    purpose: str
    content: bytes
    created_at: int

    def shown(self) -> dict:
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass
class StoredBatch:
    id: str
    input_file_id: str
    metadata: dict
    created_at: int
    ids: list[str]
    looks: int = 0
    status: str = "validating"
    output_file_id: str | None = None
    error_file_id: str | None = None
    completed: int = 0
    failures: list[dict] = field(default_factory=list)

    def shown(self) -> dict:
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "created_at": self.created_at,
            "metadata": self.metadata,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "errors": {"object": "list", "data": self.failures} if self.failures else None,
            "request_counts": {"total": len(self.ids), "completed": self.completed, "failed": 0},
        }


@dataclass
class Fault:
    """What happens to one call instead of, or after, what was asked.

    Attributes:
        answer: what is sent.
        after: whether what was asked is done first, so that only the answer is lost.
        late_s: how long after the answer it is done instead.
    """

    answer: Answer
    after: bool = False
    late_s: float | None = None


class BatchServer:
    """Files and batches. A batch ends at the `looks_needed`-th look at it.

    Attributes:
        respond: makes the answer to a request of a batch from its body.
        endings: changes to how batches end, each used once, in the order in which batches end.
        faults: by call ("POST /batches"), each used once.
        calls: every call in order, as "METHOD /path" with ids left out.
        authorizations: what every call's header said.
        asked: how often each request was in a batch.
        answered: how often each was answered with 200, and so billed.
        most_open: batches that were under way at once, at most.
        delays_s: seconds by call before its answer, after what it asks for is done.
        page: of listings, at most.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.clear()

    def clear(self) -> None:
        """As if it had just started."""
        self.files: dict[str, StoredFile] = {}
        self.batches: dict[str, StoredBatch] = {}
        self.respond: Callable[[dict], Answer] = echo
        self.endings: list[Callable[[Ending], None]] = []
        self.faults: dict[str, list[Fault]] = {}
        self.calls: list[str] = []
        self.authorizations: list[str] = []
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.most_open = 0
        self.delays_s: dict[str, float] = {}
        self.looks_needed = 2
        self.page = 100
        self._clock = 1_700_000_000
        self._tasks: set[asyncio.Task] = set()

    def lines(self, file: StoredFile) -> list[dict]:
        return [json.loads(line) for line in file.content.splitlines()]

    def inputs(self) -> list[list[dict]]:
        """The rows of every batch's file, in the order in which the batches were made."""
        return [self.lines(self.files[batch.input_file_id]) for batch in self.batches.values()]

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/files", self._handler("POST /files", self._upload)),
            web.get("/v1/files", self._handler("GET /files", self._list_files)),
            web.get("/v1/files/{id}/content", self._handler("GET /files/content", self._content)),
            web.post("/v1/batches", self._handler("POST /batches", self._create)),
            web.get("/v1/batches", self._handler("GET /batches", self._list_batches)),
            web.get("/v1/batches/{id}", self._handler("GET /batches/id", self._retrieve)),
            web.post("/v1/batches/{id}/cancel", self._handler("POST /batches/cancel", self._cancel)),
        ]

    def _handler(self, call: str, act: Callable[[dict], Answer]) -> Callable:
        async def handle(request: web.Request) -> web.StreamResponse:
            asked = dict(request.match_info) | dict(request.query)
            if call == "POST /files":
                async for part in await request.multipart():
                    asked[part.name] = await (part.text() if part.name == "purpose" else part.read())
                    if part.filename:
                        asked["filename"] = part.filename
            elif request.can_read_body:
                asked |= await request.json()
            # A caller that is gone stops nothing: what it asked for is done all the same.
            task = asyncio.ensure_future(self._served(request, call, act, asked))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return await asyncio.shield(task)

        return handle

    async def _served(self, request: web.Request, call: str, act: Callable, asked: dict) -> web.StreamResponse:
        self.calls.append(call)
        self.authorizations.append(request.headers.get("Authorization", ""))
        fault = self.faults[call].pop(0) if self.faults.get(call) else None
        if fault is None:
            answer = act(asked)
        else:
            answer = fault.answer
            if fault.after:
                act(asked)
            elif fault.late_s is not None:
                asyncio.get_running_loop().call_later(fault.late_s, act, asked)
        await asyncio.sleep(self.delays_s.get(call, 0.0))
        return await _sent(request, answer)

    def _upload(self, asked: dict) -> Answer:
        return Answer(self._store(asked["filename"], asked["purpose"], asked["file"]).shown())

    def _list_files(self, asked: dict) -> Answer:
        files = [file for file in self.files.values() if asked.get("purpose") in (None, file.purpose)]
        return self._paged([file.shown() for file in files], asked)

    def _content(self, asked: dict) -> Answer:
        file = self.files.get(asked["id"])
        return missing() if file is None else Answer(file.content)

    def _create(self, asked: dict) -> Answer:
        file = self.files.get(asked["input_file_id"])
        if file is None:
            return missing()
        ids = [row["custom_id"] for row in self.lines(file)]
        batch = StoredBatch(f"batch_{len(self.batches)}", file.id, asked.get("metadata") or {}, self._tick(), ids)
        self.batches[batch.id] = batch
        self.asked.update(ids)
        under_way = sum(each.status in ("validating", "in_progress") for each in self.batches.values())
        self.most_open = max(self.most_open, under_way)
        return Answer(batch.shown())

    def _list_batches(self, asked: dict) -> Answer:
        return self._paged([batch.shown() for batch in self.batches.values()], asked)

    def _retrieve(self, asked: dict) -> Answer:
        batch = self.batches.get(asked["id"])
        if batch is None:
            return missing()
        batch.looks += 1
        if batch.status in ("validating", "in_progress"):
            batch.status = "in_progress"
            if batch.looks >= self.looks_needed:
                self._end(batch)
        return Answer(batch.shown())

    def _cancel(self, asked: dict) -> Answer:
        batch = self.batches[asked["id"]]
        batch.status = "cancelled"
        return Answer(batch.shown())

    def _end(self, batch: StoredBatch) -> None:
        ending = Ending([])
        for row in self.lines(self.files[batch.input_file_id]):
            answer = self.respond(row["body"])
            rows = ending.output if answer.status == 200 else ending.errors
            rows.append(result_row(row["custom_id"], answer))
        if self.endings:
            self.endings.pop(0)(ending)
        batch.status, batch.failures = ending.status, ending.failures
        # Ids of other requests than the batch's are a test's invention, and were not answered.
        done = {answered_id(row) for row in ending.output} & set(batch.ids)
        self.answered.update(done)
        batch.completed = len(done) if ending.counted is None else ending.counted
        if ending.output or ending.tail:
            batch.output_file_id = self._store("output.jsonl", "batch_output", _jsonl(ending.output) + ending.tail).id
        if ending.errors:
            batch.error_file_id = self._store("errors.jsonl", "batch_output", _jsonl(ending.errors)).id

    def _store(self, filename: str, purpose: str, content: bytes) -> StoredFile:
        file = StoredFile(f"file-{len(self.files)}", filename, purpose, bytes(content), self._tick())
        self.files[file.id] = file
        return file

    def _paged(self, shown: list[dict], asked: dict) -> Answer:
        newest_first = shown[::-1]
        ids = [each["id"] for each in newest_first]
        start = ids.index(asked["after"]) + 1 if "after" in asked else 0
        end = start + min(self.page, int(asked.get("limit", self.page)))
        page = newest_first[start:end]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
        return Answer({"object": "list", "data": page, "has_more": end < len(ids), **ends})

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def echo(body: dict) -> Answer:
    """Answers with the last message."""
    return says(f"You say: {body['messages'][-1]['content']}")


def missing() -> Answer:
    return Answer({"error": {"message": "No such object", "type": "invalid_request_error", "code": None}}, 404)


def _jsonl(rows: list[dict]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def _sent(request: web.Request, answer: Answer) -> web.StreamResponse:
    whole = answer.body if isinstance(answer.body, bytes) else web.json_response(answer.body).body
    if answer.cut:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(whole)
        await response.prepare(request)
        await response.write(whole[: len(whole) // 2])
        request.transport.abort()
        return response
    kind = "application/octet-stream" if isinstance(answer.body, bytes) else "application/json"
    if isinstance(answer.body, str):
        whole, kind = answer.body.encode(), answer.headers.get("Content-Type", "text/html")
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Type"}
    return web.Response(body=whole, status=answer.status, headers={"Content-Type": kind, **headers})


@pytest.fixture
def batch_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    """A running server; TEST_KEY holds the key."""
    monkeypatch.setenv("TEST_KEY", KEY)
    server = BatchServer()
    with serving(server.routes()) as server.base_url:
        yield server
