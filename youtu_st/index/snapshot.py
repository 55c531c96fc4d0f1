"""Snapshots: one FAISS file for each generation, an ``IndexIDMap`` whose labels are the documents' keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.errors import IndexDamagedError, VectorIndexError
from youtu_st.index._faiss import faiss
from youtu_st.index.journal import Keys


def write_snapshot(path: Path, index: Any, keys: Keys) -> None:
    """Write an index whose positions are labelled with keys.

    Raises:
        VectorIndexError: If the file cannot be written.
    """
    labelled = faiss.IndexIDMap(faiss.IndexFlatIP(index.d))  # takes an empty one only; the real one goes in
    labelled.index, labelled.own_fields = index, False
    labelled.ntotal, labelled.is_trained = index.ntotal, index.is_trained
    faiss.copy_array_to_vector(keys, labelled.id_map)
    try:
        faiss.write_index(labelled, str(path))
    except RuntimeError as error:
        raise VectorIndexError(f"{path} cannot be written: {error}") from error


def read_snapshot(path: Path, dimension: int) -> tuple[Any, Keys]:
    """The index without its labels, and the labels.

    Raises:
        FileNotFoundError: If the file is gone.
        IndexDamagedError: If it cannot be read, or does not fit the manifest.
    """
    try:
        labelled = faiss.read_index(str(path))
        keys: Keys = faiss.vector_to_array(labelled.id_map).astype(np.int64)
        index = faiss.downcast_index(labelled.index)
    except (RuntimeError, MemoryError, AttributeError) as error:
        path.stat()  # FAISS has one error for everything; a file that is gone is a writer's doing, not damage
        raise IndexDamagedError(
            f"{path} is damaged: FAISS cannot read it; restore the file, or build the index again from the "
            f"texts in documents.sqlite"
        ) from error
    if index.d != dimension or index.ntotal != len(keys) or (np.diff(keys) <= 0).any():
        raise IndexDamagedError(
            f"{path} is damaged: it has {index.ntotal} vectors of {index.d} numbers and {len(keys)} keys; "
            f"the manifest says {dimension} numbers"
        )
    index.referenced_objects = [labelled]  # FAISS frees the index with its wrapper
    return index, keys
