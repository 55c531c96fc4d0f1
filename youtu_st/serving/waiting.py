"""Waiting for an answer, as long as there is somebody who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from youtu_st.serving.faults import ClientGone, Fault

T = TypeVar("T")


async def answer(work: Coroutine[Any, Any, T], receive: Receive, ends: float) -> T:
    """What some work gives, if it does before the client leaves or the deadline passes.

    In both of these cases, and if the caller is cancelled, the work is cancelled, and ends before this does.

    Args:
        work: What is waited for.
        receive: Of the request whose body has been read: its next message is the client's leaving.
        ends: The deadline, by the event loop's clock.

    Raises:
        ClientGone: If the client has left.
        Fault: 504 past the deadline.
        Exception: What the work raised.
    """
    loop = asyncio.get_running_loop()
    working = loop.create_task(work)
    leaving = loop.create_task(_left(receive))
    try:
        await asyncio.wait(
            (working, leaving), timeout=max(0.0, ends - loop.time()), return_when=asyncio.FIRST_COMPLETED
        )
        if working.done():
            return working.result()
        if leaving.done():
            raise ClientGone
        raise Fault(504, "the deadline has passed before there was an answer")
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        del working  # which holds its error, which holds this frame


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
