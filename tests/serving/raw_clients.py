"""Many clients in one process: requests as bytes on sockets, with next to no work for each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families


class Answer(NamedTuple):
    """What a server has said.

    Attributes:
        status: Of HTTP.
        headers: By their names in small letters.
        body: Whole.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> Any:
        """The body's."""
        return json.loads(self.body)


def post(fields: Mapping[str, Any], path: str = "/v1/embeddings") -> bytes:
    """A whole request."""
    body = json.dumps(fields).encode()
    return b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (path.encode(), len(body), body)


class Connection:
    """A connection that is kept, for one request after the other.

    Args:
        url: Of the server.
    """

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, request: bytes) -> None:
        """Send a request."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(request)
        await self._writer.drain()

    async def receive(self) -> Answer:
        """Its answer.

        Raises:
            asyncio.IncompleteReadError: If the server closes the connection before the end of it.
        """
        assert self._reader is not None
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        if "content-length" in headers:
            body = await self._reader.readexactly(int(headers["content-length"]))
        else:
            body = b""
            while size := int(await self._reader.readuntil(b"\r\n"), 16):
                body += (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readexactly(2)
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(head[0].split()[1]), headers, body)

    async def ask(self, request: bytes) -> Answer:
        """The answer to a request."""
        await self.send(request)
        return await self.receive()

    def close(self) -> None:
        """Leave, whatever is under way."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


def metric(url: str, name: str, **labels: str) -> float:
    """What a server counts, of all labels that are not said."""
    page = httpx.get(f"{url}/metrics", timeout=60).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == f"youtu_st_{name}" and labels.items() <= sample.labels.items()
    )
