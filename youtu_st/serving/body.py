"""Body: what a request carries, read with a limit of bytes and of seconds, and parsed strictly."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson
from starlette.types import Receive, Scope

from youtu_st.errors import counted
from youtu_st.serving.faults import ClientGone, Fault, plain_name

LOOKED_INTO = 1 << 20
"""Bytes of a body that is no JSON which are looked into for the number that spoils it."""
BODIES = 8
"""Bodies of the largest size that are in memory at once, or as many smaller ones as have their bytes."""
SOON = 1.0
"""Seconds after which there may be room for a body again."""
_ESCAPED_LETTERS = (b"\\u005", b"\\u006", b"\\u007")
"""How a letter of a field's name is written that need not be."""


class Room:
    """How much of all bodies together may be in memory, as a few hundred clients could fill it otherwise.

    Args:
        most: Bytes.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def take(self, size: int) -> None:
        """Make room for some bytes.

        Raises:
            Fault: 429 if there is none.
        """
        if self.taken + size > self.most:
            message = "other requests' bodies leave no room for this one: send it again after the seconds of "
            raise Fault(429, message + "Retry-After", code="bodies_full", retry_after=SOON)
        self.taken += size


class Body:
    """The body of one request.

    Args:
        scope: The request.
        receive: Where its body comes from.
        room: What it shares with all others.
        most: Bytes that it may have.
        seconds: In which all of it has to be here.
    """

    def __init__(self, scope: Scope, receive: Receive, room: Room, *, most: int, seconds: float) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        self._length = int(length) if length.isdigit() else 0
        self._receive = receive
        self._room = room
        self._held = 0
        self._most = most
        self._seconds = seconds
        self._ends = asyncio.get_running_loop().time() + seconds
        self._invited = headers.get(b"expect", b"").lower() != b"100-continue"
        self.finished = not self._length and b"transfer-encoding" not in headers
        """Whether nothing more of it is to come."""

    async def read(self) -> bytes | bytearray:
        """All of it.

        Raises:
            Fault: 413 if it is too large, 408 if it is too slow, 429 if there is no room for it.
            ClientGone: If the client leaves before its end.
        """
        if self._length > self._most:
            raise self._too_large()
        self._invited = True
        parts = bytearray()
        try:
            # One timer for all: each wait of its own would cost as much as the rest of a small request.
            await asyncio.wait_for(self._into(parts, self._most), self._left())
        except asyncio.TimeoutError as error:
            message = f"the body did not arrive within {self._seconds:g} seconds"
            raise Fault(408, message) from error
        if len(parts) > self._most:
            raise self._too_large()
        return parts

    async def discard(self) -> None:
        """Hear out a client that is refused, within the limits: one that is still sending reads no answer."""
        if self.finished or not self._invited or self._left() <= 0:
            return
        try:
            await asyncio.wait_for(self._into(None, 2 * self._most), self._left())
        except (asyncio.TimeoutError, ClientGone):
            return

    def release(self) -> None:
        """Give its room back, once its request is done: what it was parsed to is as large."""
        self._room.taken -= self._held
        self._held = 0

    def _left(self) -> float:
        return self._ends - asyncio.get_running_loop().time()

    async def _into(self, parts: bytearray | None, most: int) -> None:
        seen = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.finished = True
                raise ClientGone
            part = message.get("body", b"")
            seen += len(part)
            self.finished = not message.get("more_body", False)
            if parts is not None:
                self._room.take(len(part))
                self._held += len(part)
                parts += part
            if seen > most or self.finished:
                return

    def _too_large(self) -> Fault:
        message = f"the body is larger than the {counted(self._most, 'byte')} that this server takes"
        return Fault(413, message, code="body_too_large")


def parse(raw: bytes | bytearray) -> Any:
    """A body's JSON, every name in it once.

    Raises:
        Fault: 400 if it is none, holds a number that JSON has not, or says a name twice in an object.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        _explain(raw)
        raise Fault(400, f"the body is no JSON: {error}", code="invalid_json") from None
    if isinstance(value, dict) and _may_repeat(raw, value):
        _load(raw)
    return value


def _may_repeat(raw: bytes | bytearray, fields: dict[str, Any]) -> bool:
    """Whether a name may stand twice in an object: cheap, and sure of nothing but a no."""
    inner = (item for value in fields.values() if isinstance(value, list) for item in value)
    names = Counter(_names([fields, *(item for item in inner if isinstance(item, dict))]))
    if any(letters in raw for letters in _ESCAPED_LETTERS):
        return True
    return any(raw.count(orjson.dumps(name)) != count for name, count in names.items())


def _names(objects: Iterable[dict[str, Any]]) -> Iterable[str]:
    return (name for each in objects for name in each)


def _load(raw: bytes | bytearray) -> Any:
    """What Python's own parser makes of a body: slower, and it says what it meets.

    Raises:
        Fault: 400 for a name that stands twice in an object, or for lists in lists in lists.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(items)
        if len(fields) < len(items):
            twice = next(name for name, count in Counter(name for name, _ in items).items() if count > 1)
            name = plain_name(twice)
            message = f"{name or 'a field'} stands twice in one object: say it once"
            raise Fault(400, message, param=name, code="repeated_field")
        return fields

    try:
        return json.loads(raw, object_pairs_hook=pairs)
    except RecursionError:
        raise Fault(400, "the body is nested too deeply", code="invalid_json") from None


def _explain(raw: bytes | bytearray) -> None:
    """Raise for what is no JSON for its numbers alone: ``NaN``, ``Infinity``, ``1e999``.

    Raises:
        Fault: 400, naming the field.
    """
    if len(raw) > LOOKED_INTO:
        return
    try:
        fields = _load(raw)
    except ValueError:
        return
    for name, value in fields.items() if isinstance(fields, dict) else ():
        if any(map(_is_no_number, value if isinstance(value, list) else [value])):
            param = plain_name(name)
            message = f"{param or 'a field'} holds NaN, Infinity or a number too large, which JSON has not"
            raise Fault(400, message, param=param, code="invalid_json")


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
