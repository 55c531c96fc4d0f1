"""Connections on which every wait ends with the request that it is for.

A client's own time limit starts anew with every byte that arrives. Here each wait gets what is left of one
limit, so that a server that sends a byte a second cannot hold a request.
"""

from __future__ import annotations

import importlib.util
import math
import socket
import threading
import time
from typing import Any

from youtu_st.errors import require

# What the openai client itself stands on: httpcore2 from its release 3 on, httpcore before.
httpcore: Any = require("httpcore2" if importlib.util.find_spec("httpcore2") else "httpcore", "cloud")

PIECE = 1 << 14
"""Bytes that are written under one look at the clock."""


class Deadline(threading.local):
    """When the request of this thread must be done, on the monotonic clock. Each thread has its own."""

    until: float = math.inf

    def left(self) -> float:
        """Seconds.

        Raises:
            httpcore.ReadTimeout: If there are none.
        """
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("timed out")
        return seconds


class Backend:
    """Opens connections for an ``httpcore`` pool, by its protocol ``NetworkBackend``."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> Stream:
        """To the first address of ``host`` that takes it; all of them together have what time is left."""
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        for i, (*_, address) in enumerate(addresses):
            # One address alone goes by its name: an address of a link needs the scope that the name carries.
            target = host if len(addresses) == 1 else str(address[0])
            try:
                opened = self._plain.connect_tcp(
                    target, port, self._deadline.left(), local_address, socket_options
                )
                return Stream(opened, self._deadline)
            except httpcore.ConnectError:
                if i == len(addresses) - 1:
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    def sleep(self, seconds: float) -> None:
        """Between attempts to connect; the pool is told to make one."""
        time.sleep(min(seconds, self._deadline.left()))


class Stream:
    """A connection, by ``httpcore``'s protocol ``NetworkStream``. The pool's own time limits are not used."""

    def __init__(self, stream: Any, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._stream.read(max_bytes, self._deadline.left())
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces, because the host gives each of its own writes the whole time again.
        for at in range(0, len(buffer), PIECE):
            self._stream.write(buffer[at : at + PIECE], self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
