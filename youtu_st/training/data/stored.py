"""Texts that wait on disk until what belongs to them is known: memory has numbers alone."""

from __future__ import annotations

import tempfile
from array import array


class Stored:
    """Texts in a temporary file, by their numbers, from 0.

    >>> with Stored() as texts:
    ...     texts.add("one"), texts.add("two"), texts[0], len(texts)
    (0, 1, 'one', 2)
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self._ends = array("q", [0])

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, text: str) -> int:
        """Keep a text; its number."""
        self._file.seek(self._ends[-1])
        self._ends.append(self._ends[-1] + self._file.write(text.encode()))
        return len(self) - 1

    def __getitem__(self, number: int) -> str:
        self._file.seek(self._ends[number])
        return self._file.read(self._ends[number + 1] - self._ends[number]).decode()
