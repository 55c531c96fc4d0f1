"""Actor: a worker in a process of a cluster, spoken to as the processes of one machine are."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from youtu_st.errors import in_one_line, require
from youtu_st.scale.cluster.threads import assigned_cpus, use_assigned_cpus
from youtu_st.scale.pools.messages import Message

BROKEN = 1
"""Exit code of an actor that is begun a second time: Ray starts it anew."""
ENDED = "ended"
"""The last message: the worker's thread is done."""
SEEING_SECONDS = 5.0
"""For a file that was just written to be seen on another machine."""


class Actor:
    """What Ray makes, as often as it takes.

    It works for the first who calls :meth:`begin`. Whoever calls that again does not know what was handed
    over before, and gets a new process.
    """

    def __init__(self) -> None:
        self._wire: Wire | None = None

    async def begin(self, mark: str) -> tuple[str, bool]:
        """Begin to work.

        Args:
            mark: A file that the driver has written into the job's folder.

        Returns:
            The node's address, and whether the file is seen there.
        """
        if self._wire is not None:
            os._exit(BROKEN)
        self._wire = Wire(asyncio.get_running_loop())
        seen = await asyncio.to_thread(sees, Path(mark))
        if seen:
            threading.Thread(target=_work, args=(self._wire,), name="youtu-st-work", daemon=True).start()
        return address(), seen

    async def tell(self, message: Message) -> None:
        """Hand a message over to the worker."""
        assert self._wire is not None
        self._wire.incoming.put(message)

    async def poll(self, seconds: float) -> list[Message]:
        """What the worker has said since; empty if nothing within so many seconds."""
        assert self._wire is not None
        return await self._wire.said(seconds)


class Wire:
    """Messages of a worker in a thread, and of the event loop around it.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.incoming: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._said: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._loop = loop
        self._news = asyncio.Event()

    def take(self, seconds: float | None = None) -> Message | None:
        """The next message for the worker; None, if there is none within so many seconds."""
        try:
            return self.incoming.get(timeout=seconds)
        except queue.Empty:
            return None

    def send(self, kind: str, content: Any = True) -> None:
        """Tell the driver something, when it asks."""
        self._said.put({kind: content})
        self._loop.call_soon_threadsafe(self._news.set)

    async def said(self, seconds: float) -> list[Message]:
        """What the worker has said since, waiting so long for the first of it."""
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except asyncio.TimeoutError:
            return []
        self._news.clear()
        return [self._said.get_nowait() for _ in range(self._said.qsize())]


def _work(wire: Wire) -> None:
    """What a process does that is a worker of one machine."""
    try:
        cpus = str(assigned_cpus() or 1)
        for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS"):  # read when the libraries are loaded
            os.environ[name] = cpus
        use_assigned_cpus()
        from youtu_st.scale.work.process import Process

        process = Process(wire)
        warnings.showwarning = process.notice
        process.run()
    except BaseException as error:
        wire.send(ENDED, in_one_line(type(error).__name__, error))
    else:
        wire.send(ENDED)


def sees(mark: Path, seconds: float = SEEING_SECONDS) -> bool:
    """Whether a file is there, or is within so many seconds: a network's file systems may be late."""
    end = time.monotonic() + seconds
    while not os.path.exists(mark):
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def address() -> str:
    """This node's address, as Ray names it."""
    return str(require("ray.util", "ray").get_node_ip_address())
