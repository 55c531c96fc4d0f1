"""Values that wait on disk, so that all input is read and counted before the long work begins."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from typing import Any

_IN_MEMORY = 16 << 20


class Spool:
    """JSON values in a temporary file, in the order they were added; a small one stays in memory.

    >>> with Spool() as spool:
    ...     spool.add("a text")
    ...     len(spool), list(spool)
    (1, ['a text'])
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (closed by __exit__)
        self._count = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, value: Any) -> None:
        """Add a value at the end."""
        self._file.write(json.dumps(value).encode() + b"\n")
        self._count += 1

    def mark(self) -> tuple[int, int]:
        """The end as it is now, for :meth:`back_to`; only while values are being added."""
        return self._count, self._file.tell()

    def back_to(self, mark: tuple[int, int]) -> None:
        """Take away all values that were added after a mark."""
        self._count, place = mark
        self._file.seek(place)
        self._file.truncate()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        """The values from the first; add none while reading them."""
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)
