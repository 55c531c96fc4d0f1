"""What FAISS does not look at when it reads an index: numbers that would lead a search out of its memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.index.nearest._faiss import faiss
from youtu_st.index.nearest.layout import MisfitError


def check(index: Any) -> None:
    """Look at the links, lists and codes of an index that was read, and of those inside it.

    Types, dimensions and counts are right already, see :mod:`youtu_st.index.nearest.layout`; FAISS has seen
    to it that a graph's links, levels and offsets are in range.

    Raises:
        MisfitError: If something leads nowhere.
    """
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        check(index.index)
    elif isinstance(index, faiss.IndexRefine):
        check(index.base_index)
        check(index.refine_index)
    elif isinstance(index, faiss.IndexHNSW):
        _check_graph(index.hnsw)
        check(index.storage)
    elif isinstance(index, faiss.IndexIVF):
        _check_lists(index)
        check(index.quantizer)
    else:
        _check_codes(index)


def _check_codes(index: Any) -> None:
    needed = index.ntotal * index.code_size
    if isinstance(index, faiss.IndexFastScan):
        blocks = -(-index.ntotal // index.bbs)
        needed = blocks * index.get_block_stride()
        if index.ntotal2 != blocks * index.bbs:
            raise MisfitError(f"it has {index.ntotal} vectors, and room for {index.ntotal2}")
    if index.codes.size() != needed:
        raise MisfitError(f"it has {index.codes.size()} bytes of codes where {needed} are needed")
    if hasattr(index, "center") and index.center.size() != index.d:
        raise MisfitError(f"it has a center of {index.center.size()} numbers where {index.d} are needed")


def _check_lists(index: Any) -> None:
    index.set_direct_map_type(faiss.DirectMap.NoMap)  # the file's is not believed
    try:
        index.make_direct_map()
    except RuntimeError as error:
        raise MisfitError("its inverted lists name vectors that it does not have") from error
    # As many entries as vectors: one that is named twice leaves another without a place.
    if (_view(index.direct_map.array) < 0).any():
        raise MisfitError("its inverted lists name a vector twice")
    index.set_direct_map_type(faiss.DirectMap.NoMap)


def _check_graph(graph: Any) -> None:
    """A walk enters at the top level, and finds on each level nodes that have it."""
    levels, offsets, links = _view(graph.levels), _view(graph.offsets), _view(graph.neighbors)
    if not len(levels):
        return
    top = int(levels.max())  # levels are counted from 1 here
    if graph.max_level != top - 1 or graph.entry_point < 0 or levels[graph.entry_point] != top:
        raise MisfitError("its graph is entered where its top level is not")
    nodes = np.arange(len(levels))
    for level in range(1, top):
        nodes = nodes[levels[nodes] > level]
        places = np.arange(graph.cum_nb_neighbors(level), graph.cum_nb_neighbors(level + 1))
        linked = links[offsets[nodes].astype(np.int64)[:, None] + places]
        if (levels[linked[linked >= 0]] <= level).any():
            raise MisfitError("its graph has links between levels")


def _view(vector: Any) -> npt.NDArray[Any]:
    """A C++ vector without copying it; it has to be there as long as the view."""
    size = vector.size()
    return faiss.rev_swig_ptr(vector.data(), size) if size else np.empty(0, dtype=np.int64)
