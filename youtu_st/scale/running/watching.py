"""Whoever looks on while a job runs."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from youtu_st.errors import counted
from youtu_st.inference.progress import progress_bar
from youtu_st.scale.running.telling import Progress

if TYPE_CHECKING:
    from tqdm import tqdm

_log = logging.getLogger(__name__)
_DELAY = 2.0


class Watch:
    """Logs what is said, and shows nothing."""

    def say(self, kind: str, line: str) -> None:
        """Take one line.

        Args:
            kind: ``note``, ``warning``, ``damaged`` or ``stopping``.
            line: What there is to say.
        """
        _log.warning("%s: %s", kind, line)

    def waiting(self, message: str) -> None:
        """Take what is done until there is more to tell."""

    def planning(self, rows: int, file: str) -> None:
        """Take how far the reading of the input is: rows so far, and the file that they are in now."""

    def progress(self, progress: Progress) -> None:
        """Take how far the encoding is."""

    def close(self) -> None:
        """Nothing more comes."""


class Bar(Watch):
    """Shows a bar on standard error while shards are encoded: documents, speed, the time that is left.

    It begins with the first shard that is done: by then the workers have their encoders.
    """

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._first: int | None = None
        self._began = time.monotonic()

    def progress(self, progress: Progress) -> None:
        """Move the bar on; the speed is that of all documents since it began."""
        if self._first is None:
            self._first = progress.rows
        if self._bar is None:
            if progress.rows == self._first:
                workers = counted(progress.workers, "worker")
                self.waiting(
                    f"{workers}, {progress.shards:,} of {counted(progress.all_shards, 'shard')} done"
                )
                return
            self.begins()
            self._began = time.monotonic()
            self._bar = progress_bar(progress.all_rows, True, "doc", done=progress.rows, smoothing=0.0)
        workers = counted(progress.workers, "worker")
        shards = f"{progress.shards:,}/{progress.all_shards:,} shards"
        self._bar.set_postfix_str(f"{shards}, {workers}", refresh=False)
        self._bar.update(progress.rows - self._bar.n)
        if time.monotonic() - self._began > _DELAY:
            self._bar.refresh()  # so that the clock goes on while a shard takes long

    def begins(self) -> None:
        """The bar comes now, for the first time."""

    def aside(self) -> None:
        """Make room for a line; the bar comes back by itself."""
        if self._bar is not None:
            self._bar.clear()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
