"""Connections: uvicorn's, with an end to the patience that a client may ask for.

uvicorn closes a connection on which it waits for the next request. It waits for ever for the rest of a
request's head, for an answer to be read, and for a body that nobody needs any more.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 64 << 10
"""Bytes of a request's line and headers."""
LEAST_READ = 64 << 10
"""Bytes of an answer that a client must read while an idle connection would be kept."""
_END_OF_HEAD = b"\r\n\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade(?=[ \t]*:)", re.IGNORECASE)


@dataclass(frozen=True)
class Patience:
    """How long is waited.

    Attributes:
        head: Seconds for the head of a request, from its first byte on.
        body: Seconds for its body, from its head on; the application's own limit is to be shorter.
        idle: Seconds for a request to begin, and for a part of an answer to be read.
    """

    head: float = 10.0
    body: float = 15.0
    idle: float = 30.0


class Connection(HttpToolsProtocol):
    """One connection, and until when it is waited for.

    Which is noted in passing, as a request comes and goes; :func:`close_idle` looks at it now and then.

    Attributes:
        patience: How long is waited.
        closing: Whether no connection is kept any more for a further request.
    """

    patience = Patience()
    closing = False

    def __init__(self, *arguments: Any, **further: Any) -> None:
        super().__init__(*arguments, **further)
        self._until = math.inf
        self._in_head = self._is_whole = True
        self._has_begun = False
        self._head = self._left = 0
        self._looked = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for a request to begin."""
        super().connection_made(transport)
        self._wait(self.patience.idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the request, which knows its connection: the collector would find them late."""
        super().connection_lost(exc)
        self.cycle = None  # type: ignore[assignment]  # as uvicorn's, before the first request

    def data_received(self, data: bytes) -> None:
        """Read what came, unless it is a head without an end."""
        if self._in_head or self._is_whole:
            data = _without_upgrade(data)
        self._has_begun = False
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            # Before the end of a head there are requests that are whole.
            self._head += len(data.rpartition(_END_OF_HEAD)[2] if self._has_begun else data)
            if self._head > MOST_HEAD:
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Wait for the head."""
        super().on_message_begin()
        self._in_head = self._has_begun = True
        self._is_whole, self._head = False, 0
        self._wait(self.patience.head)

    def on_headers_complete(self) -> None:
        """Wait for the body."""
        super().on_headers_complete()
        self._in_head = False
        self._wait(self.patience.body)
        if self.closing:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Wait no more: it is the server's turn."""
        super().on_message_complete()
        self._is_whole = True
        self._until = math.inf
        if self.cycle.response_complete:  # which came before the whole body
            self._wait_for_next()

    def on_response_complete(self) -> None:
        """Wait for the next request to begin, or for the rest of this one, as long as before."""
        super().on_response_complete()
        if self._is_whole and not self.is_busy:
            self._wait_for_next()

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return self.cycle is not None and not self.cycle.response_complete

    def look(self, now: float) -> None:
        """Close the connection if its client is late.

        Args:
            now: The event loop's time, in seconds.
        """
        if self.flow.read_paused or (self._in_head and self.is_busy):
            # What is late may be there and not yet read, or can wait for the answer before it.
            self._until = max(self._until, now + self.patience.body)
        elif now > self._until and not self.transport.is_closing():
            if not self._in_head:  # the application has waited for the body, and has said so
                self.transport.abort()
            elif self._is_whole:
                self.transport.close()
            else:
                self._refuse(b"408 Request Timeout")
        left = self.transport.get_write_buffer_size()
        if not left or left <= self._left - LEAST_READ or not self._left:
            self._left, self._looked = left, now
        elif left > self._left:  # more was written
            self._left = left
        elif now > self._looked + self.patience.idle:
            self.transport.abort()

    def _wait(self, seconds: float) -> None:
        self._until = self.loop.time() + seconds

    def _wait_for_next(self) -> None:
        self._in_head, self._head = True, 0
        self._wait(self.patience.idle)

    def _refuse(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        self.transport.close()


def _without_upgrade(data: bytes) -> bytes:
    """A head that asks for no other protocol: there is none, and HTTP/1.1 has it that the wish is left alone.

    The parser drops the body of a request that has one. Java's client asks for HTTP/2 that way.
    """
    end = data.find(_END_OF_HEAD)
    end = len(data) if end < 0 else end
    found = _UPGRADE.search(data, 0, end)
    return data if found is None else _UPGRADE.sub(b"\r\nIgnored", data[:end]) + data[end:]


def connection_kind(patience: Patience) -> type[Connection]:
    """The class for uvicorn's ``http``, which makes its connections itself."""
    return type("Connection", (Connection,), {"patience": patience})


async def close_idle(connections: Iterable[Any], every: float = 1.0) -> None:
    """Look at connections again and again, until cancelled.

    Args:
        connections: uvicorn's, a set that changes.
        every: Seconds from one look to the next.
    """
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(every)
        for connection in list(connections):
            if isinstance(connection, Connection):
                connection.look(loop.time())
