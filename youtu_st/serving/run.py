"""A server as a process: its socket, its signals, its end."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import math
import os
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any

import uvicorn

from youtu_st.errors import InputError, in_one_line
from youtu_st.serving import log
from youtu_st.serving.connections import Connection, Patience, close_idle, connection_kind
from youtu_st.serving.keys import VARIABLE, Keys
from youtu_st.serving.server import Server
from youtu_st.serving.settings import ServerSettings

OK, FAULT, INTERRUPTED = 0, 1, 130
BACKLOG = 2048
"""Connections that the system keeps until they are accepted."""
SWITCH_SECONDS = 0.001
"""After which a thread that computes in Python lets the event loop in; Python's own 5 ms are too long."""
SLACK_SECONDS = 5.0
"""What a body may take beyond the application's limit, so that it is the application that says so."""
LAST_SECONDS = 1
"""For connections to end, after what was accepted is answered or given up."""


def open_socket(settings: ServerSettings, keys: Keys) -> socket.socket:
    """The socket that a server listens on.

    Args:
        settings: With the address.
        keys: Who may ask: an address that others reach needs some.

    Raises:
        InputError: If the address is none of this machine's, is in use, or others reach it and there are no
            keys.
    """
    host, port = settings.host.removeprefix("[").removesuffix("]"), settings.port  # as it stands in a URL
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "no name of a machine"
        raise InputError(in_one_line(f"--host {host!r} is no address", why)) from error
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    if settings.no_keys and keys.required:
        raise InputError(f"--no-keys and {VARIABLE} contradict each other: leave one of them out")
    if not (keys.required or settings.no_keys or ipaddress.ip_address(address[0]).is_loopback):
        raise InputError(
            f"--host {host}: other machines reach this address, and there are no keys: give --keys-file FILE "
            f"or set {VARIABLE}, or insist with --no-keys"
        )
    opened = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two processes have one port
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise InputError(_why_not(error, host, port)) from error
    return opened


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use: end what listens there, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} is for the system's own users: choose one from 1024 on with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is no address of this machine: 127.0.0.1 is, and 0.0.0.0 stands for all it has"
    return in_one_line(f"cannot listen on port {port} of {host}", error)


def run(server: Server, app: Any, opened: socket.socket) -> int:
    """Serve until SIGTERM or SIGINT, then answer what was accepted.

    Loading begins once the socket is served. Ctrl-C after that ends the process at once, and so it ends
    where a thread that cannot be stopped is still loading or computing.

    Args:
        server: Not loaded yet.
        app: The ASGI application that answers from it.
        opened: A socket that listens; closed in the end.

    Returns:
        The exit code: 0; 1 where the time to answer all that was accepted was too short.

    Raises:
        BaseException: What loading raised.
    """
    settings = server.settings
    patience = Patience(
        head=settings.body_timeout, body=settings.body_timeout + SLACK_SECONDS, idle=settings.idle_timeout
    )
    kind = connection_kind(patience)
    config = uvicorn.Config(
        app,
        http=kind,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=math.ceil(settings.idle_timeout),
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    # PyTorch's threads wait for each other in a loop by default, on the very cores that the event loop and
    # the clients need: a question that takes 10 ms then takes 100. Read once, when PyTorch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    process = _Process(config, server, kind)
    try:
        process.run([opened])
    except RuntimeError:
        # asyncio's own end takes one more thread, for which the system may have no memory.
        if not process.has_closed:
            raise
    code = FAULT if process.given_up else OK
    if process.is_loading or process.given_up:
        server.release()
        _end(code)
    if server.failure is not None:
        raise server.failure
    return code


def _end(code: int) -> None:
    """End the process now: threads that are busy inside a library are waited for otherwise."""
    logging.shutdown()
    os._exit(code)


class _Process(uvicorn.Server):
    """uvicorn's server, which closes its socket only after what was accepted is answered.

    Attributes:
        given_up: Requests that were accepted and not answered.
        has_closed: Whether all that was accepted is answered, or given up.
    """

    def __init__(self, config: uvicorn.Config, server: Server, kind: type[Connection]) -> None:
        super().__init__(config)
        self.given_up = 0
        self.has_closed = False
        self._server = server
        self._kind = kind
        self._signals = 0
        self._loading = threading.Thread(target=self._load, name="youtu-st-loading", daemon=True)

    @property
    def is_loading(self) -> bool:
        """Whether the models are being loaded."""
        return self._loading.is_alive()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, and close connections whose clients are late."""
        self._loop = asyncio.get_running_loop()
        looking = asyncio.create_task(close_idle(self.server_state.connections))
        try:
            await super().serve(sockets)
        finally:
            looking.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to load as soon as ``/health`` can be asked."""
        await super().startup(sockets)
        for one in sockets or []:
            log.event("listening", url=_url(one), model=self._server.name, keys=self._server.keys.required)
        self._loading.start()

    def _load(self) -> None:
        self._server.load()
        if self._server.failure is not None:
            self.should_exit = True  # looked at ten times a second

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to close; at Ctrl-C after that, end. A supervisor may say SIGTERM as often as it likes."""
        self._signals += 1
        if self._signals == 1:
            self._loop.call_soon_threadsafe(self._close)
        elif sig == signal.SIGINT:
            _end(INTERRUPTED)

    def _close(self) -> None:
        self._server.close()
        self._kind.closing = True
        for connection in self.server_state.connections:
            if isinstance(connection, Connection) and connection.is_busy:
                connection.shutdown()  # after its answer
        self._closing = asyncio.create_task(self._answer_and_exit())

    async def _answer_and_exit(self) -> None:
        # Those that come from now on are refused, and need not be waited for.
        accepted = list(self.server_state.tasks)
        grace = self._server.settings.grace
        log.event("closing", requests=len(accepted), grace_s=grace)
        if accepted:
            _, left = await asyncio.wait(accepted, timeout=grace)
            self.given_up = len(left)
            self.force_exit = bool(left)  # what has no answer by now gets none
        level = logging.ERROR if self.given_up else logging.INFO
        log.event("closed", level, requests_given_up=self.given_up)
        self.has_closed = self.should_exit = True


def _url(opened: socket.socket) -> str:
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
