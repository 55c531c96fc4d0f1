"""All documents of an index with their vectors, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from youtu_st.errors import VectorIndexError
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.storage.documents import DocumentStore
from youtu_st.index.storage.reader import DirectoryReader
from youtu_st.index.storage.rows import Row
from youtu_st.protocol import Vectors


class Block(NamedTuple):
    """Documents that were added one after the other, column by column.

    Attributes:
        ids: Their ids.
        texts: Their texts.
        metadata: Of each its metadata, as the text of a JSON object.
        vectors: As stored, shape ``(len(ids), dimension)``, float32.
    """

    ids: list[str]
    texts: list[str]
    metadata: list[str]
    vectors: Vectors


def read_blocks(directory: DirectoryReader, rows: int) -> Iterator[Block]:
    """The documents of an index in the order they were added, all of the state that it is in at first.

    Each block is a transaction of its own, so that a writer need not wait for a slow reader.

    Raises:
        VectorIndexError: If something was added or deleted since, or the vectors cannot be given back.
    """
    # Keys are never given twice and no document changes under its key: with these equal, all is as it was.
    begun = directory.read(lambda documents, _: (documents.state.next_key, documents.state.documents))
    last = 0

    def after(documents: DocumentStore, table: VectorTable) -> tuple[list[Row], Vectors]:
        if (documents.state.next_key, documents.state.documents) != begun:
            raise VectorIndexError(f"the index in {directory.path} was changed meanwhile: read it again")
        found = documents.rows_after(last, rows)
        return found, table.reconstruct(np.array([row.key for row in found], dtype=np.int64))

    left = begun[1]
    while left:
        found, vectors = directory.read(after)
        if not found:
            raise VectorIndexError(f"the index in {directory.path} lacks {left} of {begun[1]} documents")
        last, left = found[-1].key, left - len(found)
        _, ids, texts, metadata = (list(column) for column in zip(*found, strict=True))
        yield Block(ids, texts, metadata, vectors)
