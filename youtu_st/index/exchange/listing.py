"""Documents of an index, looked at and deleted without its model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from youtu_st.errors import InputError, brief, did_you_mean
from youtu_st.index.filtering.filters import Filter, compile_filter
from youtu_st.index.inputs import check_ids
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.results import Document
from youtu_st.index.storage.directory import IndexDirectory
from youtu_st.index.storage.documents import DocumentStore
from youtu_st.index.storage.manifest import read_manifest
from youtu_st.protocol import Vectors

_LIKE = 10_000
"""Documents whose ids are compared with one that is not there."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Some documents of an index.

    Attributes:
        documents: In the order they were added.
        matching: How many match, of which these are the first.
    """

    documents: list[Document]
    matching: int


def list_documents(path: str | Path, filter: Filter | None = None, *, limit: int | None = None) -> Listing:
    """The first documents that match a filter, in the order they were added.

    Args:
        path: The index.
        filter: As for :meth:`VectorIndex.search`; None: all documents.
        limit: How many; None: all of them.

    Raises:
        IndexNotFoundError: If there is no index.
        FilterError: If the filter is malformed.
    """
    condition = compile_filter(filter)

    def found(documents: DocumentStore, _: VectorTable) -> Listing:
        if not filter:  # the first ones, without a look at the others
            total = documents.state.documents
            rows = documents.rows_after(0, total if limit is None else limit)
            return Listing([Document.of(row) for row in rows], total)
        ids = documents.ids(condition)
        chosen = ids if limit is None else ids[:limit]
        return Listing(_of(documents, chosen), len(ids))

    with _opened(path) as directory:
        return directory.read(found)


def list_ids(path: str | Path, filter: Filter | None = None) -> list[str]:
    """The ids of all documents that match a filter, in the order they were added.

    Raises:
        IndexNotFoundError: If there is no index.
        FilterError: If the filter is malformed.
    """
    condition = compile_filter(filter)
    with _opened(path) as directory:
        return directory.read(lambda documents, _: documents.ids(condition))


def read_documents(
    path: str | Path, ids: Iterable[str], *, vectors: bool = False
) -> tuple[list[Document], Vectors | None]:
    """Documents by their ids, in the order of these, and their vectors as they are stored.

    Args:
        path: The index.
        ids: Their ids.
        vectors: Whether the vectors are wanted, shape ``(len(ids), dimension)``.

    Raises:
        IndexNotFoundError: If there is no index.
        InputError: If there is no document with one of the ids: the message has those that are like it.
        VectorIndexError: If this kind of FAISS index cannot give its vectors back.
    """
    wanted = check_ids(ids)

    def found(documents: DocumentStore, table: VectorTable) -> tuple[list[Document], Vectors | None]:
        keys = documents.keys_of(wanted)
        for id in wanted:
            if id not in keys:
                some = [row.id for row in documents.rows_after(0, _LIKE)]
                meant = did_you_mean(id, some)
                raise InputError(f"there is no document {brief(id)} in {path}: {meant}".rstrip(": "))
        rows = table.reconstruct(np.array([keys[id] for id in wanted], dtype=np.int64)) if vectors else None
        return _of(documents, wanted), rows

    with _opened(path) as directory:
        return directory.read(found)


def remove_documents(path: str | Path, ids: Iterable[str]) -> int:
    """Delete documents, all or none of them, without the index's model.

    Args:
        path: The index.
        ids: Their ids; unknown ones are no error.

    Returns:
        How many there were.

    Raises:
        IndexNotFoundError: If there is no index.
        IndexLockedError: If somebody else is writing.
    """
    wanted = check_ids(ids)
    with _opened(path) as directory:
        return directory.remove(wanted)


def _of(documents: DocumentStore, ids: list[str]) -> list[Document]:
    rows = {row.id: row for row in documents.rows_of(ids)}
    return [Document.of(rows[id]) for id in ids]


@contextmanager
def _opened(path: str | Path) -> Iterator[IndexDirectory]:
    with closing(IndexDirectory(Path(path), read_manifest(path), None)) as directory:
        yield directory
