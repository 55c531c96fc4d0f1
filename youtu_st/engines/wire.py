"""One HTTP request: an answer within its time and its size, or none. What both engines send with."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from youtu_st.engines.deadline import Backend, Deadline, httpcore
from youtu_st.errors import EngineError, InputError

TimedOut: Any = httpcore.TimeoutException
Broken: Any = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
"""What a connection may end with."""

BYTES_PER_NUMBER = 64
"""A float64 takes 25 in JSON, and 34 where a server writes each on a line of its own; base64 takes 6."""

BYTES_BESIDE = 1 << 20
"""What may stand in an answer beside its numbers."""

MOST_OF_A_REFUSAL = 1 << 16
"""Bytes that are read of an answer that holds no vectors: its beginning says why."""

PIECE = 1 << 16
"""Bytes that are unpacked at once."""

IDLE = 5.0
"""Seconds that an unused connection is kept."""

Headers = Sequence[tuple[bytes, bytes]]


class Unfit(EngineError):
    """An answer that is not read to its end; asking again would not help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, unpacked.

    Attributes:
        status: Of a refusal, only the beginning of the body is here.
        headers: As they came.
        body: The bytes, unpacked.
    """

    status: int
    headers: Headers
    body: bytes


def answer_limit(texts: int, dimension: int) -> int:
    """Bytes, unpacked, that no answer with vectors for so many texts needs."""
    return texts * dimension * BYTES_PER_NUMBER + BYTES_BESIDE


class Wire:
    """Connections to one server, kept open between requests. Safe to use from many threads.

    Through the proxy that the environment names for ``url``, if any. ``limit`` may be set anew.

    Args:
        url: Of the server.
        limit: Bytes of an answer, packed and unpacked, that are read.
        context: Says whose certificates are trusted.
    """

    def __init__(self, url: str, *, limit: int, context: Any) -> None:
        self._process = os.getpid()
        self.limit = limit
        self._deadline = Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            proxy=_proxy(url),
            max_connections=None,  # the engine's own limit lets in fewer
            keepalive_expiry=IDLE,
            network_backend=Backend(self._deadline),
        )

    def send(self, method: str, url: Any, headers: Headers, body: bytes, *, seconds: float) -> Answer:
        """The answer to a request.

        Args:
            method: Such as ``POST``.
            url: A str, or a URL of ``httpcore``.
            headers: To send.
            body: To send.
            seconds: From now until the last byte of the answer.

        Raises:
            TimedOut: If the time is over.
            Broken: If there is no connection, or it breaks off.
            Unfit: If the answer is too long, or packed as was not asked for.
        """
        self._deadline.until = time.monotonic() + seconds
        asked = [(name, value) for name, value in headers if name.lower() != b"accept-encoding"]
        asked.append((b"Accept-Encoding", b"gzip, deflate"))
        with self._pool.stream(method, url, headers=asked, content=body) as answer:
            read = self._vectors if 200 <= answer.status < 300 else self._refusal
            return Answer(answer.status, answer.headers, read(answer))

    def close(self) -> None:
        """Close all connections; a later request opens new ones. A forked child leaves its parent's alone."""
        if os.getpid() == self._process:
            self._pool.close()

    def __del__(self) -> None:
        if hasattr(self, "_pool"):
            self.close()

    def _vectors(self, answer: Any) -> bytes:
        kept = bytearray()
        for part in _unpacked(answer, self.limit):
            kept += part
            if len(kept) > self.limit:
                raise _too_long(self.limit)
        return bytes(kept)

    def _refusal(self, answer: Any) -> bytes:
        """Its beginning, as far as it can be read at all: the status has been understood without it."""
        kept = bytearray()
        try:
            for part in _unpacked(answer, MOST_OF_A_REFUSAL):
                kept += part
                if len(kept) > MOST_OF_A_REFUSAL:
                    break
        except Unfit:
            pass
        return bytes(kept[:MOST_OF_A_REFUSAL])


def _too_long(limit: int) -> Unfit:
    return Unfit(
        f"sent more than {limit:,} bytes, and no answer of this model needs so many: "
        "is it the right address, and the right model?"
    )


def _unpacked(answer: Any, limit: int) -> Iterator[bytes]:
    """The body in pieces of bounded size, however small it was packed.

    Raises:
        Unfit: If it is packed in another way than was asked for, is broken, or is too long as it came.
    """
    named = b",".join(value for name, value in answer.headers if name.lower() == b"content-encoding").lower()
    packed = [name for name in map(bytes.strip, named.split(b",")) if name not in (b"", b"identity")]
    if packed not in ([], [b"gzip"], [b"x-gzip"], [b"deflate"]):
        raise Unfit("sent an answer that is packed otherwise than by gzip or deflate, once")
    unpack = _Inflate(gzip=packed != [b"deflate"]) if packed else None
    came = 0
    for piece in answer.iter_stream():
        came += len(piece)
        if came > limit:
            raise _too_long(limit)
        if unpack is None:
            yield piece
        else:
            yield from unpack(piece)


class _Inflate:
    """gzip, or what goes by the name of deflate: with zlib's header, or (from some servers) without."""

    def __init__(self, *, gzip: bool) -> None:
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 16) if gzip else None
        self._head = b""

    def __call__(self, data: bytes) -> Iterator[bytes]:
        if self._zlib is None:
            data = self._head = self._head + data
            if len(data) < 2:
                return
            with_header = data[0] & 15 == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
            self._zlib = zlib.decompressobj(zlib.MAX_WBITS if with_header else -zlib.MAX_WBITS)
        while True:
            try:
                part = self._zlib.decompress(data, PIECE)
            except zlib.error:
                raise Unfit("sent an answer that cannot be unpacked") from None
            yield part
            data = self._zlib.unconsumed_tail
            if not data and len(part) < PIECE:  # a full piece may leave some behind with nothing left to read
                return


def _proxy(url: str) -> Any:
    """As ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``, or the system's settings have it."""
    parts = urlsplit(url)
    known = getproxies()
    address = known.get(parts.scheme) or known.get("all")
    if not address or proxy_bypass(parts.netloc):
        return None
    try:
        proxy = urlsplit(address if "://" in address else f"http://{address}")
        where = httpcore.URL(scheme=proxy.scheme, host=proxy.hostname or "", port=proxy.port, target=b"/")
    except ValueError:  # not shown: it may carry a password
        raise InputError(
            f"the environment's proxy for {parts.scheme}:// is no address like 'http://localhost:3128': look "
            "at HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the server in NO_PROXY"
        ) from None
    auth = None if proxy.username is None else (unquote(proxy.username), unquote(proxy.password or ""))
    return httpcore.Proxy(where, auth=auth)
