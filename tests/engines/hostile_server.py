"""A server that does as it likes with a connection, once it has read the request on it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from engines.tencent_server import SECRET_ID, SECRET_KEY
from tencentcloud.common.credential import Credential

from youtu_st.engines import OpenAICompatibleEncoder, TencentCloudEncoder
from youtu_st.spec.model import ModelSpec

KEY = 'sk-Secret/0123+4567"89\\xyz='
TOKEN = "token-of-the-session"
CERTIFICATE = Path(__file__).parent / "localhost.pem"
"""Of localhost and 127.0.0.1, signed by itself, with its key; good for a hundred years."""


class HostileServer:
    """Calls ``reply(connection, request)`` for each connection, then closes it.

    Args:
        reply: What is done once the request is here: the connected socket, and the request's bytes.
        tls: Speak TLS, with :data:`CERTIFICATE`.
        read: Read the request first; else ``reply`` gets ``b""`` as soon as there is a connection.
        info: What is done with a GET, as ``reply``. None: it is answered with 404, and not kept.
    """

    def __init__(
        self,
        reply: Callable[[socket.socket, bytes], object],
        *,
        tls: bool = False,
        read: bool = True,
        info: Callable[[socket.socket, bytes], object] | None = None,
    ) -> None:
        self.reply = reply
        self.read = read
        self.info = info or (lambda connection, _: connection.sendall(http(status="404 Not Found")))
        self.requests: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listening.getsockname()[1]}"
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(CERTIFICATE)
        self.stopped = threading.Event()

    def __enter__(self) -> HostileServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                request = self._request(connection) if self.read else b""
                (self.info if request.startswith(b"GET ") else self.reply)(connection, request)

    def _request(self, connection: socket.socket) -> bytes:
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += connection.recv(1 << 16)
        if raw.startswith(b"GET "):
            return raw
        head, _, body = raw.partition(b"\r\n\r\n")
        length = next(
            int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += connection.recv(1 << 16)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def drip(self, connection: socket.socket, data: Iterable[int], every: float = 0.05) -> None:
        """A byte at a time, until nobody is there any more."""
        for byte in data:
            if self.stopped.is_set():
                return
            connection.sendall(bytes([byte]))
            time.sleep(every)


def http(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """An answer, after which the connection is closed. ``Content_Length=""`` leaves that header out."""
    usual = {"Content_Type": "application/json", "Content_Length": str(len(body)), "Connection": "close"}
    fields = usual | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body


def saying(*answers: bytes) -> Callable[[socket.socket, bytes], None]:
    """A ``reply`` that sends the answers, each to one request, and the last to all that follow."""
    left = list(answers)

    def reply(connection: socket.socket, request: bytes) -> None:
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return reply


class Kind(NamedTuple):
    """One of the engines, as far as a server can tell them apart."""

    name: str
    connect: Callable[..., Any]
    rows: Callable[[list[Any]], dict[str, Any]]
    secrets: tuple[str, ...]

    def body(self, vectors: list[Any]) -> bytes:
        return json.dumps(self.rows(vectors)).encode()


def _openai(address: str, spec: ModelSpec, **settings: Any) -> OpenAICompatibleEncoder:
    return OpenAICompatibleEncoder(f"http://{address}/v1", "served", spec=spec, api_key=KEY, **settings)


def _tencent(address: str, spec: ModelSpec, **settings: Any) -> TencentCloudEncoder:
    secret = Credential(SECRET_ID, SECRET_KEY, TOKEN)
    return TencentCloudEncoder(
        spec=spec, endpoint=f"http://{address}", credential=secret, backoff=0.01, **settings
    )


KINDS = (
    Kind(
        "openai",
        _openai,
        lambda rows: {"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)]},
        (KEY,),
    ),
    Kind(
        "tencent",
        _tencent,
        lambda rows: {"Response": {"Data": [{"Index": i, "Embedding": row} for i, row in enumerate(rows)]}},
        (SECRET_ID, SECRET_KEY, TOKEN),
    ),
)
