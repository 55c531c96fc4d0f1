"""The application without a network: a server that is ready, a client of it, and requests by hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import httpx
from fastapi import FastAPI

from youtu_st import Encoder
from youtu_st.rerank import Reranker
from youtu_st.serving.app import app
from youtu_st.serving.keys import Keys
from youtu_st.serving.server import Server
from youtu_st.serving.settings import ServerSettings


def ready(
    encoder: Encoder, reranker: Reranker | None = None, *, keys: Keys | None = None, **settings: Any
) -> Server:
    """A server that takes requests."""
    load_reranker: Callable[[], Reranker] | None = None if reranker is None else lambda: reranker
    names = {} if reranker is None else {"reranker_name": "judge"}
    server = Server(ServerSettings(**names | settings), lambda: encoder, load_reranker, keys=keys)
    loading = threading.Thread(target=server.load)  # as in a process: with an event loop of its own
    loading.start()
    loading.join()
    if server.failure is not None:
        raise server.failure
    return server


@lru_cache(maxsize=4)
def application(server: Server) -> FastAPI:
    """Its application, made once."""
    return app(server)


def client(server: Server, **how: Any) -> httpx.AsyncClient:
    """A client of its application, for which what escapes the application is an error here."""
    transport = httpx.ASGITransport(application(server), raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://server", timeout=60, **how)


class ByHand:
    """One request, whose body and whose end are said here.

    Args:
        server: What it goes to.
        path: Where.
        headers: Beside none.
    """

    def __init__(self, server: Server, path: str = "/v1/embeddings", **headers: str) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        self._app = application(server)

    def body(self, part: bytes, *, more: bool = False) -> ByHand:
        """Let a part of the body arrive."""
        self.incoming.put_nowait({"type": "http.request", "body": part, "more_body": more})
        return self

    def leave(self) -> ByHand:
        """Let the client close the connection."""
        self.incoming.put_nowait({"type": "http.disconnect"})
        return self

    async def run(self) -> ByHand:
        """Until the application is done with it."""
        await self._app(self.scope, self.incoming.get, self._send)
        return self

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        """Of the answer; None: there is none."""
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def answer(self) -> bytes:
        """The answer's body."""
        return b"".join(message.get("body", b"") for message in self.sent[1:])
