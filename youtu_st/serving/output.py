"""Rows of numbers to JSON: base64 from their own bytes, lists by a writer that reads NumPy's rows."""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Rows = npt.NDArray[np.float32]
Format = Literal["float", "base64"]

PIECE = 1 << 14
"""Numbers that are written at once: a third of a millisecond as a list, less as base64."""

SMALL = 1 << 13
"""Numbers that are written on the event loop."""

Step = Callable[[], bytes]
Write = Callable[[Rows, int], bytes]
"""Writes some rows as JSON without a frame; the first of them is the one with that number."""
Part = bytes | Step | tuple[Rows, Write]


def dumps(value: Any) -> bytes:
    """JSON."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def base64_of(row: npt.NDArray[np.float32]) -> str:
    """The bytes of a row, float32 and little-endian as all clients read them."""
    return binascii.b2a_base64(row.astype("<f4", copy=False).tobytes(), newline=False).decode()


def values(rows: Rows, form: Format) -> Sequence[Any]:
    """Each row as a value of JSON: what :func:`dumps` takes."""
    return [base64_of(row) for row in rows] if form == "base64" else list(rows)


def as_objects(form: Format) -> Write:
    """Rows as OpenAI's objects."""

    def write(rows: Rows, first: int) -> bytes:
        each = enumerate(values(rows, form), start=first)
        return dumps([{"object": "embedding", "index": i, "embedding": value} for i, value in each])[1:-1]

    return write


def as_list(form: Format) -> Write:
    """Rows as elements of a list."""
    return lambda rows, first: dumps(values(rows, form))[1:-1]


class Pieces:
    """An answer, written a piece at a time where it is large.

    Each piece is then written in a thread, and sent before the next one: writing holds the interpreter, so
    that no other thread, and no event loop, gets further meanwhile. A client that reads slowly holds the
    rows, and one piece.

    Args:
        parts: The JSON in order: what is there, what is written in its turn, and rows with what writes them.
        characters: Of texts that are in it.
    """

    def __init__(self, *parts: Part, characters: int = 0) -> None:
        self._parts = parts
        numbers = sum(part[0].size for part in parts if isinstance(part, tuple))
        self.is_small = numbers + characters // 8 <= SMALL
        """Whether it is written at once, on the event loop: a thread would cost more."""

    def whole(self) -> bytes:
        """All of it."""
        return b"".join(step() for step in self._steps())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self._steps():
            yield await asyncio.to_thread(step)

    def _steps(self) -> Iterator[Step]:
        return chain.from_iterable(map(_steps, self._parts))


class PiecesResponse(Response):
    """200 with :class:`Pieces`.

    Args:
        pieces: What is sent.
        headers: Sent before it.
    """

    media_type = "application/json"

    def __init__(self, pieces: Pieces, headers: Mapping[str, str]) -> None:
        super().__init__(pieces.whole() if pieces.is_small else b"", headers=headers)
        self._pieces = pieces
        if not pieces.is_small:
            del self.headers["content-length"]  # nobody knows it yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._pieces.is_small:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _steps(part: Part) -> Iterator[Step]:
    if isinstance(part, bytes):
        yield lambda: part
    elif isinstance(part, tuple):
        yield from _row_steps(*part)
    else:
        yield part


def _row_steps(rows: Rows, write: Write) -> Iterator[Step]:
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    each = max(1, PIECE // max(1, rows.shape[-1]))
    for start in range(0, len(rows), each):
        yield partial(_piece, write, rows[start : start + each], start)


def _piece(write: Write, rows: Rows, first: int) -> bytes:
    return (b"," if first else b"") + write(rows, first)
