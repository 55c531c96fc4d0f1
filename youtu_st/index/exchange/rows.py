"""What every place that documents are taken from looks like: its documents, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from youtu_st.protocol import Vectors

ROWS = 1024
"""Documents that are handed on together."""


class Part(NamedTuple):
    """Documents that stand one after the other, column by column.

    Attributes:
        ids: Their ids.
        texts: Their texts.
        metadata: Of each its metadata.
        vectors: As they are stored there, shape ``(len(ids), dimension)``, float32; None: there are none.
        encoded: The texts that the vectors are of, where a library puts something before the text.
    """

    ids: list[str]
    texts: list[Any]
    metadata: list[dict[str, Any]]
    vectors: Vectors | None
    encoded: list[Any] | None = None


class Source(Protocol):
    """A folder or a file that documents are taken from, open."""

    @property
    def name(self) -> str:
        """What to call it in messages."""

    @property
    def kind(self) -> str:
        """What it is: ``a FAISS folder of LangChain``."""

    @property
    def count(self) -> int:
        """Documents in it."""

    @property
    def dimension(self) -> int | None:
        """Numbers of a vector; None where it has no vectors."""

    @property
    def model(self) -> str | None:
        """The model of the vectors, where that is written there."""

    @property
    def notes(self) -> list[str]:
        """What is left out of it, a line each."""

    def parts(self) -> Iterator[Part]:
        """All documents, in order; each call begins anew.

        Raises:
            InputError: If it cannot be read to its end.
        """

    def close(self) -> None:
        """Close it."""
