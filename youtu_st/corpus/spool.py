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
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 (closed by __exit__)
            _IN_MEMORY, mode="w+", encoding="utf-8"
        )
        self._count = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, value: Any) -> None:
        """Add a value at the end."""
        self._file.write(json.dumps(value) + "\n")
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        """The values from the first; add none while reading them."""
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)
