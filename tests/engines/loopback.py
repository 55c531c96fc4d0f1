"""A real HTTP server on the loopback address, in a thread, that keeps what it was asked."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What goes back: a status, a JSON value or the bytes as they are, and headers."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What came: the path, the JSON body, its bytes, headers by their lower-case names, from which port, when."""

    path: str
    body: dict[str, Any]
    raw: bytes
    headers: dict[str, str]
    port: int
    at: float = field(default_factory=time.perf_counter)


class Loopback:
    """A context manager; subclasses say in ``answer`` what goes back.

    Args:
        first: Replies to the first requests, whatever they ask; later ones are answered.
        delay: Seconds that every answer takes.
        port: Where it listens; 0: anywhere.

    Attributes:
        asked: The paths of GET requests, which are not among ``requests``.
    """

    def __init__(self, *, first: list[Reply] | None = None, delay: float = 0.0, port: int = 0) -> None:
        self.asked: list[str] = []
        self.first = list(first or [])
        self.delay = delay
        self.requests: list[Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Any:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, request: Request) -> Reply:
        return Reply(404)

    def get(self, path: str) -> Reply:
        """What a GET gives: nothing is known here."""
        return Reply(404)

    def _next(self, request: Request) -> Reply:
        with self.lock:
            self.requests.append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            scripted = self.first.pop(0) if self.first else None
        try:
            time.sleep(self.delay)
            return scripted or self.answer(request)
        finally:
            with self.lock:
                self.in_flight -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = server._next(
                    Request(self.path, json.loads(raw), raw, headers, self.client_address[1])
                )
                self._send(reply)

            def do_GET(self) -> None:
                server.asked.append(self.path)
                self._send(server.get(self.path))

            def _send(self, reply: Reply) -> None:
                body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                try:
                    self.send_response(reply.status)
                    kind = {"Content-Type": "application/json", "Content-Length": str(len(body))}
                    for name, value in (kind | reply.headers).items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client gave up waiting, as some tests want it to

            def log_message(self, format: str, *args: Any) -> None:
                """The requests are kept; nothing is printed."""

        return Handler
