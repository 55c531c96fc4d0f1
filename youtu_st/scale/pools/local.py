"""Workers that are processes of this machine."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from youtu_st.backends.threads import threads
from youtu_st.errors import ModelLoadError
from youtu_st.scale.pools import messages
from youtu_st.scale.pools.child import Child, Message
from youtu_st.scale.pools.crew import Crew, Hear, Place
from youtu_st.scale.settings import BadRows, Making


class LocalPool(Crew[Child]):
    """A process for each of some makings; one that dies is started again.

    A worker asks for a shard when it has read the last one to its end, so that none waits behind another
    while somebody is free. Processes are started when the first shard is asked for, or when something is
    :meth:`ask`-ed: what was asked of the first is done by the one that encodes later, with the encoder that
    it has by then.

    Args:
        folder: The job's.
        makings: What each worker makes its encoder from.
        bad_rows: Whether a bad row ends the job or is left out.
        shard_timeout: Seconds after which a worker that has not finished a shard is ended; None: never.
        notice: Told what the workers' encoders warn of.
    """

    def __init__(
        self,
        folder: Path,
        makings: Sequence[Making],
        *,
        bad_rows: BadRows = "error",
        shard_timeout: float | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(folder, makings, bad_rows=bad_rows, shard_timeout=shard_timeout, notice=notice)
        self._environment = _threads(len(makings))
        self._answers: queue.SimpleQueue[Message | None] = queue.SimpleQueue()

    def __enter__(self) -> LocalPool:
        return self

    def ask(self, kind: str, content: Message, progress: Callable[[Message], None] | None = None) -> Message:
        """Have something done in the first worker's process, before it works.

        Args:
            kind: ``prepare`` or ``verify``, see :mod:`youtu_st.scale.pools.messages`.
            content: What is asked.
            progress: Told how far it is.

        Returns:
            The answer.

        Raises:
            YoutuError: What went wrong there, as the same class of error.
        """
        with self._lock:
            child = self._start(self._places[0])
            child.send(kind, content)
            if kind == "prepare":  # the others load meanwhile
                for place in self._places[1:]:
                    self._start(place).send("make", asdict(place.making))
        while (message := self._answers.get()) is not None:
            if "answer" in message:
                answer: Message = message["answer"]
                return answer
            if "refused" in message:
                raise messages.refused(message["refused"])
            if progress is not None:
                progress(message["progress"])
        raise ModelLoadError(f"the process that was to {kind} the job {child.how_it_ended()}")

    def pids(self) -> list[int]:
        """The processes that live now."""
        with self._lock:
            return [place.child.pid for place in self._places if place.child is not None]

    def _hire(self, place: Place[Child], hear: Hear) -> Child:
        return Child(hear, self._environment)

    def _heard_otherwise(self, place: Place[Child], message: Message | None) -> None:
        if message is not None or place is self._places[0]:
            self._answers.put(message)


def _threads(workers: int) -> dict[str, str]:
    """What keeps several networks from sharing cores: each gets as many threads as it has of them."""
    each = max(1, threads() // workers)
    found = {"OMP_NUM_THREADS": str(each), "OMP_WAIT_POLICY": "PASSIVE"}
    if "RAYON_NUM_THREADS" not in os.environ:  # of the tokenizers
        found["RAYON_NUM_THREADS"] = str(each)
    return found
