"""Some documents of an index with their vectors, read without its encoder."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.results import Document
from youtu_st.index.storage.directory import IndexDirectory
from youtu_st.index.storage.documents import DocumentStore
from youtu_st.index.storage.manifest import read_manifest
from youtu_st.inputs import check_count
from youtu_st.protocol import Vectors


@dataclass(frozen=True, slots=True)
class Sample:
    """Documents drawn from an index.

    Attributes:
        documents: In the order they were added.
        vectors: As stored, shape ``(len(documents), dimension)``.
        total: How many documents there are.
    """

    documents: list[Document]
    vectors: Vectors
    total: int


def sample_documents(path: str | Path, most: int, *, seed: int = 0) -> Sample:
    """Draw documents without replacement, all of one and the same commit. Loads no model.

    Args:
        path: The index.
        most: How many to draw; all of them where there are fewer.
        seed: Equal seeds draw the same of the same index.

    Raises:
        IndexNotFoundError: If there is no index.
        IndexDamagedError: If a file cannot be read: the message names it.
        VectorIndexError: If this kind of FAISS index cannot give its vectors back.
    """
    most = check_count("most", most)

    def drawn(documents: DocumentStore, table: VectorTable) -> Sample:
        keys = np.sort(table.keys[table.alive])
        if len(keys) > most:
            keys = np.sort(np.random.default_rng(seed).choice(keys, most, replace=False))
        rows = documents.rows(keys.tolist())
        found = [Document.of(rows[key]) for key in keys.tolist()]
        return Sample(found, table.reconstruct(keys), table.alive_count)

    with closing(IndexDirectory(Path(path), read_manifest(path), None)) as directory:
        return directory.read(drawn)
