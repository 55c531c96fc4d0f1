"""Documents that were read whole, as a source: what a folder of a library's own files has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from youtu_st import disk
from youtu_st.errors import InputError, in_one_line, printable
from youtu_st.index.exchange.rows import ROWS, Part
from youtu_st.protocol import Vectors

MOST_BYTES = 8 << 30
"""Of a file that is read whole."""


class Held:
    """Documents in memory.

    Args:
        name: As in :class:`~youtu_st.index.exchange.rows.Source`, as all that follows.
        kind: Likewise.
        documents: All of them; its vectors have to be as many.
    """

    def __init__(self, name: str, kind: str, documents: Part) -> None:
        self.name, self.kind = name, kind
        self.model: str | None = None
        self.notes: list[str] = []
        self._documents = documents

    @property
    def count(self) -> int:
        """Documents."""
        return len(self._documents.ids)

    @property
    def dimension(self) -> int | None:
        """Numbers of a vector; None where there are none."""
        vectors = self._documents.vectors
        return None if vectors is None else vectors.shape[1] or None

    def parts(self) -> Iterator[Part]:
        """All documents, in order."""
        for first in range(0, self.count, ROWS):
            rows = slice(first, first + ROWS)
            ids, texts, metadata, vectors, encoded = self._documents
            yield Part(
                ids[rows],
                texts[rows],
                metadata[rows],
                None if vectors is None else vectors[rows],
                None if encoded is None else encoded[rows],
            )

    def close(self) -> None:
        """Nothing is open."""


def read_file(path: Path) -> bytes:
    """A file, whole.

    Raises:
        InputError: If it is none, cannot be read, or is too large.
    """
    try:
        return disk.read_bounded(path, MOST_BYTES)
    except OSError as error:
        raise InputError(f"{printable(str(path))}: {(error.strerror or str(error)).lower()}") from error


def read_object(path: Path, *, content: Any = None) -> dict[str, Any]:
    """A JSON file that holds an object.

    Args:
        path: The file.
        content: Its text, where it was read already.

    Raises:
        InputError: As for :func:`read_file`, or if it holds something else.
    """
    try:
        found = json.loads(read_file(path) if content is None else content)
    except (ValueError, RecursionError) as error:
        raise InputError(in_one_line(f"{printable(str(path))} is no JSON", error)) from error
    loaded: dict[str, Any] = of_kind(found, dict, str(path))
    return loaded


def of_kind(value: Any, kind: type, what: str) -> Any:
    """A value, if it is of a type.

    Raises:
        InputError: Naming what is not.
    """
    if type(value) is not kind:
        raise InputError(f"{printable(what)} must be a {kind.__name__}, not a {type(value).__name__}")
    return value


def placed(vectors: Vectors, places: list[int]) -> Vectors:
    """The rows at some places, without a copy where that is all of them in order."""
    return vectors if places == list(range(len(vectors))) else vectors[places]
