"""Member: one life of an actor, as a pool sees it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from youtu_st.errors import EngineError, printable
from youtu_st.scale.cluster.actor import ENDED
from youtu_st.scale.cluster.nodes import not_seen
from youtu_st.scale.pools import messages
from youtu_st.scale.pools.events import UNABLE, Failed
from youtu_st.scale.pools.messages import Message

POLL_SECONDS = 5.0
"""For an actor to say that it has nothing to say."""
SILENT_SECONDS = 120.0
"""For it to say anything at all: it does not depend on what it computes. Ray notices most of it earlier."""
TICK = 0.5
"""Seconds between looks at whether it was killed meanwhile."""


class Member:
    """Speaks with an actor from its start to its end, whichever end that is.

    Args:
        ray: The module, connected.
        actor: The handle. Ray starts its process, and starts it anew whenever it has ended.
        mark: A file in the job's folder.
        hear: Called with every message, in a thread of its own; with None when no more will come.

    Attributes:
        is_up: Whether its process is there.
    """

    def __init__(self, ray: Any, actor: Any, mark: str, hear: Callable[[Message | None], None]) -> None:
        self._ray, self._actor, self._mark, self._hear = ray, actor, mark, hear
        self.is_up = False
        self._killed = self._left = False
        self._node = ""
        self._reason = ""
        self._held: list[Message] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._listening = threading.Thread(target=self._listen, name="youtu-st-member", daemon=True)
        self._listening.start()

    def send(self, kind: str, content: Any = True) -> None:
        """Say something to it, as soon as it is there; nothing where it is gone."""
        with self._lock:
            if self._left:
                return
            if self.is_up:
                self._actor.tell.remote({kind: content})
            else:
                self._held.append({kind: content})

    def kill(self) -> None:
        """End its process now, as far as it can be reached; Ray starts another one."""
        self._killed = True
        with suppress(Exception):  # of an actor or a cluster that is gone
            self._ray.kill(self._actor, no_restart=False)

    def leave(self) -> None:
        """Speak no more; whoever calls this ends the actor."""
        with self._lock:
            self._left = True
        if self._listening is not threading.current_thread():
            self._listening.join(4 * TICK)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is gone, or was never there, or is none of this pool's any more."""
        return self._over.wait(0 if self._killed else seconds) or self._killed or not self.is_up

    def how_it_ended(self) -> str:
        """In one line."""
        return self._reason

    def _listen(self) -> None:
        try:
            self._talk()
        except Exception as error:  # of whichever part of a cluster is gone
            self._reason = self._told(error)
            # Ray starts an actor anew that is gone. One that only seemed to be ends when it is begun again.
            if not (self._left or self._killed or isinstance(error, self._ray.exceptions.RayActorError)):
                self.kill()
        self.is_up = False
        self._over.set()
        self._hear(None)

    def _talk(self) -> None:
        actor = self._actor
        self._node, seen = self._begun()
        if not seen:
            failed = Failed(None, UNABLE, not_seen(self._node, self._mark))
            self._hear(dict([messages.told(failed)]))
            return
        with self._lock:
            self.is_up = True
            for message in self._held:
                actor.tell.remote(message)
        while True:
            for message in self._get(actor.poll.remote(POLL_SECONDS), POLL_SECONDS + SILENT_SECONDS):
                if ENDED in message:
                    if message[ENDED] is not True:
                        raise EngineError(message[ENDED])
                    return
                self._hear(message)

    def _begun(self) -> tuple[str, bool]:
        """The actor's node, and whether it sees the folder; waits as long as there is no room for it."""
        while True:
            try:
                found: tuple[str, bool] = self._get(self._actor.begin.remote(self._mark))
                return found
            except self._ray.exceptions.ActorUnavailableError:  # it is being started anew
                time.sleep(TICK)

    def _get(self, reference: Any, seconds: float = math.inf) -> Any:
        """What an actor answers.

        Raises:
            EngineError: If it does not within so many seconds, or is not to be waited for any more.
            Exception: What Ray says of it otherwise.
        """
        end = time.monotonic() + seconds
        while not self._ray.wait([reference], timeout=TICK)[0]:
            if self._killed or self._left:
                raise EngineError("it was told to end")
            if time.monotonic() > end:
                raise EngineError(f"it has said nothing for {seconds:g} s")
        return self._ray.get(reference)

    def _told(self, error: Exception) -> str:
        where = f" on {self._node}" if self._node else ""
        exceptions = self._ray.exceptions
        if isinstance(error, exceptions.ActorUnavailableError):
            return f"could not be reached any more{where}"
        if isinstance(error, exceptions.RayActorError):
            if "node" in str(error).rpartition("because")[2][:40]:
                return f"was{where}, and that node is gone"
            return f"ended{where} when its process did"
        return printable(f"ended{where}: {' '.join(str(error).split())[:200]}")
