"""What a pool of workers tells whoever drives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

ROW, UNABLE, FULL, FAULT = "row", "unable", "full", "fault"


@dataclass(frozen=True, slots=True)
class Finished:
    """A shard is in its place.

    Attributes:
        shard: Its number.
        rows: Rows with a vector.
        tokens: Tokens that went through the network, as far as the encoder counts them.
        cut: Texts that were cut.
        rejected: Rows without a vector.
        seconds: From its first row to its last.
        encoded: False where somebody else had done it meanwhile.
    """

    shard: int
    rows: int
    tokens: int
    cut: int
    rejected: int
    seconds: float
    encoded: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """A shard, or the worker's very beginning, met an error that trying again does not mend.

    Attributes:
        shard: Its number; None: the worker could not begin.
        kind: ``row``: a bad row; ``unable``: no encoder, or another than the job's; ``full``: no room on the
            disk; ``fault``: anything else.
        message: One line.
    """

    shard: int | None
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Died:
    """A worker is gone.

    Attributes:
        shard: The one it was encoding; None: none had begun.
        waiting: Those that it had been handed and had not begun: nobody's fault.
        reason: How: ``was killed (signal 9)``, ``took longer than 60 s``, ``its node is gone``.
    """

    shard: int | None
    waiting: tuple[int, ...] = field(default=())
    reason: str = ""


Event = Finished | Failed | Died


class Pool(Protocol):
    """Workers that fill one folder: processes here, actors of a cluster."""

    def open_places(self) -> int:
        """Shards that may be handed over now: one that a worker encodes, and one that it reads meanwhile."""

    def submit(self, shard: int) -> None:
        """Hand a shard to whoever is free first. Only where there is an open place."""

    def wait(self, seconds: float) -> list[Event]:
        """What has happened since; empty if nothing has within so many seconds."""

    def workers(self) -> int:
        """Workers that live now."""

    def close(self, *, now: bool = False) -> None:
        """End the workers: after the shards they have begun, or now."""
