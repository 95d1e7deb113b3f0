"""The connections to one server: kept open, and as many as there are requests under way."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx2
import openai

_PER_POOL = 24  # a pool looks at all its connections for every request: at 200 that is 40% of a call's processor time
_CONNECT_S = 10.0
_KEEP_IDLE_S = 4.0  # uvicorn, and so vLLM, closes idle connections after 5 s, and what is sent just then is lost


class Connections:
    """Sends requests over pools of connections, of which there are as many as are needed at once.

    Args:
        base_url: of the server.
        key: for its Authorization header.
        timeout_s: for one request.
    """

    def __init__(self, base_url: str, key: str, timeout_s: float) -> None:
        self._base_url = base_url
        self._key = key
        self._timeout = httpx2.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s))
        self._ssl: ssl.SSLContext | None = None
        self._pools: list[openai.AsyncOpenAI] = []
        self._under_way: list[int] = []

    async def post(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        """The answer to a request, whatever it holds.

        Raises:
            openai.APIError: there is none, or its status says that the request failed.
        """
        pool = next((i for i, number in enumerate(self._under_way) if number < _PER_POOL), len(self._pools))
        if pool == len(self._pools):
            self._pools.append(self._pool())
            self._under_way.append(0)
        self._under_way[pool] += 1
        try:
            # The typed call would build and check a tree of objects of which three fields are read, and it takes any
            # JSON for a completion.
            return await self._pools[pool].post(path, body=body, cast_to=httpx2.Response)
        finally:
            self._under_way[pool] -= 1

    async def close(self) -> None:
        """Closes all connections."""
        for pool in self._pools:
            await pool.close()

    def _pool(self) -> openai.AsyncOpenAI:
        self._ssl = self._ssl or httpx2.create_ssl_context()  # 20 ms; one serves all pools
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEEP_IDLE_S)
        return openai.AsyncOpenAI(
            api_key=self._key,
            base_url=self._base_url,
            timeout=self._timeout,
            max_retries=0,  # the library would also repeat requests that are out of quota
            http_client=openai.DefaultAsyncHttpxClient(limits=limits, timeout=self._timeout, verify=self._ssl),
        )
