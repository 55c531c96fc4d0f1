"""Call: one request of a client, from its arrival to its answer."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.types import Receive, Scope

from youtu_st.errors import counted
from youtu_st.inference.scheduler import LARGE
from youtu_st.serving.body import Body, Room, parse
from youtu_st.serving.faults import ClientGone, Fault, Where, of_error, wrong
from youtu_st.serving.fields import Fields, fields_of
from youtu_st.serving.waiting import answer

if TYPE_CHECKING:
    from youtu_st.inference.requests import Request, Rows, Steps
    from youtu_st.serving.metrics import Counted
    from youtu_st.serving.server import Server

F = TypeVar("F", bound=Fields)
T = TypeVar("T")

SMALL = 1 << 16
"""Bytes of a body that are parsed on the event loop: a thread would cost more."""
DEADLINE = "X-Request-Timeout"
SOON = 2.0
"""Seconds after which a server that is not ready may be asked again."""


class Call:
    """One request, and all that it needs of the server.

    Args:
        server: What it was sent to.
        scope: The request.
        receive: Where its body comes from, and then the news that the client has left.
        room: For the bodies of all requests.

    Attributes:
        path: Of the request.
        began: When it arrived, by ``time.perf_counter``: event loops there are count in milliseconds.
        body: What it carries.
        request: Its texts in tokens, once they are read.
    """

    def __init__(self, server: Server, scope: Scope, receive: Receive, room: Room) -> None:
        settings = server.settings
        self.server = server
        self.path: str = scope["path"]
        self.began = time.perf_counter()
        self.body = Body(scope, receive, room, most=settings.max_body, seconds=settings.body_timeout)
        self.request: Counted | None = None
        self._is_large = False
        self._headers = dict(scope["headers"])
        self._receive = receive
        self._arrived = asyncio.get_running_loop().time()
        self._ends = self._arrived + settings.timeout

    def check_key(self) -> None:
        """Raise unless the request brings a key, or none is needed.

        Raises:
            Fault: 401, which is the same for no key and for a wrong one.
        """
        key = self._header("X-API-Key")
        allows = self.server.keys.allows
        if not allows(self._header("Authorization")) and (key is None or not allows(f"Bearer {key}")):
            raise Fault(401, "a key is needed, and none that is known came: Authorization: Bearer KEY")

    def check_open(self) -> None:
        """Raise unless requests are taken.

        Raises:
            Fault: 503, while the model is loaded and when the server shuts down.
        """
        if self.server.state != "ready":
            raise unavailable(self.server)

    async def fields(self, kind: type[F]) -> F:
        """The fields of the body.

        Raises:
            Fault: 400 if they are not what they may be, and as for :meth:`raw`.
            ClientGone: If the client leaves before its end.
        """
        raw = await self.raw()
        self._is_large = len(raw) > LARGE
        if len(raw) <= SMALL:
            return fields_of(kind, parse(raw))
        return await asyncio.to_thread(lambda: fields_of(kind, parse(raw)))

    async def raw(self) -> bytes | bytearray:
        """The body as it came.

        Raises:
            Fault: 400 if the request's own deadline is none; 408, 413, 415 or 429 if the body is too slow,
                too large, compressed or one too many; 503 if requests are not taken.
            ClientGone: If the client leaves before its end.
        """
        self.check_open()
        if (self._header("Content-Encoding") or "identity").lower() != "identity":
            message = (
                "the body is encoded, as Content-Encoding says, and is read only as it is: send it plain"
            )
            raise Fault(415, message, param="Content-Encoding", code="content_encoding")
        self._ends = self._arrived + self._seconds()
        return await self.body.read()

    @property
    def seconds_left(self) -> float:
        """Until the deadline."""
        return self._ends - asyncio.get_running_loop().time()

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What some work gives, if it does before the client leaves or the deadline passes; both are counted.

        Raises:
            ClientGone: If the client has left.
            Fault: 504 past the deadline.
            Exception: What the work raised.
        """
        metrics = self.server.metrics
        try:
            return await answer(work, self._receive, self._ends)
        except ClientGone:
            metrics.dropped("client_left")
            raise
        except Fault as fault:
            if fault.status == 504:
                metrics.dropped("deadline")
            raise

    async def rows(
        self, steps: Steps, *, texts: int, where: Where, cut: bool, remedy: str, limit: int | None
    ) -> tuple[Request, Rows]:
        """The rows of some texts, from the scheduler.

        Args:
            steps: What the model's ``request`` gives.
            texts: How many there are.
            where: What the client calls the text at a position.
            cut: Whether texts over the model's length are cut.
            remedy: How to have them cut.
            limit: Tokens that the model reads.

        Raises:
            Fault: For all that keeps the texts from an answer.
            ClientGone: If the client leaves meanwhile; what has not entered a batch is dropped.
        """

        async def work() -> tuple[Request, Rows]:
            scheduler = self.server.scheduler
            request = self.request = await scheduler.read(steps, at_least=texts, large=self._is_large)
            if not cut and request.cut:
                raise _too_long(request, where, remedy, limit)
            return request, await scheduler.run(request)

        try:
            request, rows = await self.wait(work())
        except (ClientGone, Fault):
            raise
        except Exception as error:
            raise of_error(error, where) from error
        if request.cut_texts:
            self.server.metrics.cut(request.cut_texts)
        return request, rows

    def _header(self, name: str) -> str | None:
        value = self._headers.get(name.lower().encode())
        return None if value is None else value.decode("latin-1")

    def _seconds(self) -> float:
        """How long the client may wait: as the server was told, or less where the request says so."""
        most, said = self.server.settings.timeout, self._header(DEADLINE)
        if said is None:
            return most
        try:
            seconds = float(said)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise wrong(DEADLINE, "must be a number of seconds above 0")
        return min(seconds, most)


def unavailable(server: Server) -> Fault:
    """503: the server takes no requests, not yet or no more."""
    if server.state == "closing":
        return Fault(503, "the server is shutting down", code="closing", retry_after=SOON)
    return Fault(503, "the server is loading its model", code="starting", retry_after=SOON)


def _too_long(request: Request, where: Where, remedy: str, limit: int | None) -> Fault:
    position, tokens = request.cut[0]
    place = request.unique.positions.index(position)
    over = "" if request.rows[place].is_whole else "over "
    length = f"{over}{counted(tokens, 'token')} with what stands before it"
    return wrong(
        where(position),
        f"has {length}, and the model reads {limit:,}: split it, or {remedy}",
        code="too_long",
    )
