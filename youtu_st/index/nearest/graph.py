"""Graphs (HNSW) over vectors of which many are equal: one of them is a node of the graph for all.

In a crowd of equal vectors every link leads to another of them, and a walk that enters finds no way out.
So a vector with the code of one that is there is stored as a node without links: at its position, under
its key, and never met on a walk. Whoever meets the first has found them all.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.index.nearest import factory as recipes
from youtu_st.index.nearest._faiss import faiss
from youtu_st.index.nearest.equal import Checksums, row_sums
from youtu_st.protocol import Vectors

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]

_CROWD = 100
"""Equal nodes with links, as earlier releases made them, from which a graph is worth being built anew."""
_MANY_RUNS = 2_000  # so many calls of FAISS cost more than to move all vectors once
_CHUNK = 16_384


class Graph:
    """Which position of a graph stands for which others.

    Args:
        index: A FAISS index with a graph inside, which is added to in no other way from now on.
    """

    def __init__(self, index: Any) -> None:
        self._whole = index  # the others are parts of it, and live as long as it does
        self._wrappers: list[Any] = []
        self._stores: list[tuple[Any, list[Any]]] = []  # the refinements and, last, what the graph is over
        inner, transforms = faiss.downcast_index(index), list[Any]()
        while not isinstance(inner, faiss.IndexHNSW):
            self._wrappers.append(inner)
            if isinstance(inner, faiss.IndexPreTransform):
                transforms = [*transforms, *recipes.transforms(inner)]
                inner = faiss.downcast_index(inner.index)
            else:
                self._stores.append((faiss.downcast_index(inner.refine_index), transforms))
                inner = faiss.downcast_index(inner.base_index)
        self._graph = inner
        self._stores.append((faiss.downcast_index(inner.storage), transforms))
        self._first: Positions | None = None
        self._known: dict[int, int] = {}
        self._others: tuple[Positions, Positions] | None = None

    @classmethod
    def of(cls, index: Any) -> Graph | None:
        """The graph inside an index, if there is one, and codes can be compared."""
        if not isinstance(recipes.core(index), faiss.IndexHNSW):
            return None
        graph = cls(index)
        comparable = all(isinstance(store, faiss.IndexFlatCodes) for store, _ in graph._stores)
        return graph if comparable else None

    # -- what is there -----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return int(self._graph.ntotal)

    def _codes(self, places: Positions) -> Codes:
        """All that is stored of some positions: equal codes are found alike, with equal scores."""
        return np.hstack([_view(store)[places] for store, _ in self._stores])

    def _sums(self, places: Positions) -> Checksums:
        parts = [row_sums(self._codes(places[i : i + _CHUNK])) for i in range(0, len(places), _CHUNK)]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])

    def _linked(self) -> Mask:
        """The nodes with a link on the lowest level, and where a walk begins: it may be alone."""
        hnsw, linked = self._graph.hnsw, np.zeros(len(self), dtype=np.bool_)
        if len(linked):
            offsets = faiss.rev_swig_ptr(hnsw.offsets.data(), len(linked)).astype(np.int64)
            linked[:] = faiss.rev_swig_ptr(hnsw.neighbors.data(), hnsw.neighbors.size())[offsets] >= 0
            linked[hnsw.entry_point] = True
        return linked

    @property
    def first(self) -> Positions:
        """For each position the one that is the node for it: its own, or one before."""
        if self._first is None:  # an index that was read
            first, linked = np.arange(len(self)), self._linked()
            others = np.flatnonzero(~linked)
            if len(others):
                self._learn(np.flatnonzero(linked))
                nodes = np.array([self._known.get(one, -1) for one in self._sums(others).tolist()])
                found = np.flatnonzero(nodes >= 0)
                found = found[self._are_equal(nodes[found], others[found])]
                first[others[found]] = nodes[found]
            self._first = first
        return self._first

    def _learn(self, nodes: Positions) -> None:
        if not self._known:
            known: dict[int, int] = {}
            for one, place in zip(self._sums(nodes).tolist(), nodes.tolist(), strict=True):
                known.setdefault(one, place)
            self._known = known

    def _are_equal(self, some: Positions, others: Positions) -> Mask:
        equal = np.empty(len(some), dtype=np.bool_)
        for start in range(0, len(some), _CHUNK):
            part = slice(start, start + _CHUNK)
            equal[part] = (self._codes(some[part]) == self._codes(others[part])).all(axis=1)
        return equal

    @property
    def crowded(self) -> bool:
        """Whether many equal vectors are nodes with links, as earlier releases made them."""
        nodes = np.flatnonzero(self.first == np.arange(len(self)))
        if len(nodes) <= _CROWD:
            return False
        return bool(np.unique(self._sums(nodes), return_counts=True)[1].max() > _CROWD)

    # -- searching ---------------------------------------------------------------------------------------

    def _shared(self) -> tuple[Positions, Positions] | None:
        """The positions that are no nodes, by their nodes, and the node of each; None if there are none."""
        if self._others is None:
            others = np.flatnonzero(self.first != np.arange(len(self)))
            others = others[np.argsort(self.first[others], kind="stable")]
            self._others = others, self.first[others]
        return self._others if len(self._others[0]) else None

    @property
    def node_count(self) -> int:
        """How many nodes a walk may meet."""
        shared = self._shared()
        return len(self) - (len(shared[0]) if shared else 0)

    def nodes(self, mask: Mask) -> Mask:
        """The nodes that stand for a position in the mask."""
        shared = self._shared()
        if shared is None:
            return mask
        others, firsts = shared
        nodes = mask.copy()
        nodes[others] = False
        nodes[firsts[mask[others]]] = True
        return nodes

    def expand(self, scores: Vectors, nodes: Positions, mask: Mask, k: int) -> tuple[Vectors, Positions]:
        """The positions in the mask that some nodes stand for, the first ``k`` of each, and its score."""
        shared = self._shared()
        if shared is None:
            return scores, nodes
        others, firsts = shared
        starts = np.searchsorted(firsts, nodes, "left").tolist()
        stops = np.searchsorted(firsts, nodes, "right").tolist()
        members = []
        for place, start, stop in zip(nodes.tolist(), starts, stops, strict=True):
            all_of_it = np.append(place, others[start:stop])
            members.append(all_of_it[mask[all_of_it]][:k])
        counts = [len(one) for one in members]
        return np.repeat(scores, counts), np.concatenate([np.empty(0, dtype=np.int64), *members])

    # -- adding ------------------------------------------------------------------------------------------

    def add(self, vectors: Vectors) -> None:
        """Append vectors at the next positions; those with the code of one that is there get no links."""
        before, count = self.first, len(self)
        self._learn(np.flatnonzero(before == np.arange(count)))
        inputs = [_transformed(transforms, vectors) for _, transforms in self._stores]
        codes = np.hstack(
            [store.sa_encode(rows) for (store, _), rows in zip(self._stores, inputs, strict=True)]
        )
        known, own = self._known, np.arange(count, count + len(vectors))
        sums = zip(row_sums(codes).tolist(), own.tolist(), strict=True)
        first = np.array([known.setdefault(one, place) for one, place in sums])
        later = np.flatnonzero(first != own)
        for start in range(0, len(later), _CHUNK):
            rows = later[start : start + _CHUNK]
            nodes, same = first[rows], np.empty(len(rows), dtype=np.bool_)
            there = nodes < count
            same[there] = (self._codes(nodes[there]) == codes[rows[there]]).all(axis=1)
            same[~there] = (codes[nodes[~there] - count] == codes[rows[~there]]).all(axis=1)
            first[rows[~same]] = own[rows[~same]]  # another vector with the same checksum
        self._store(inputs, first == own)
        self._others = None
        self._first = np.concatenate([before, first])

    def _store(self, inputs: list[Vectors], fresh: Mask) -> None:
        edges = [0, *(np.flatnonzero(np.diff(fresh)) + 1).tolist(), len(fresh)]
        if len(edges) <= _MANY_RUNS:
            for start, stop in pairwise(edges):
                self._append([rows[start:stop] for rows in inputs], linked=bool(fresh[start]))
            return
        count = len(self)
        self._append([rows[fresh] for rows in inputs], linked=True)
        self._append([rows[~fresh] for rows in inputs], linked=False)
        places = np.empty(len(fresh), dtype=np.int64)
        places[np.concatenate([np.flatnonzero(fresh), np.flatnonzero(~fresh)])] = np.arange(len(fresh))
        order = np.concatenate([np.arange(count), count + places])
        for index in (self._graph, *(store for store, _ in self._stores[:-1])):
            index.permute_entries(order)

    def _append(self, inputs: list[Vectors], *, linked: bool) -> None:
        """Add to the index and to those inside it; what is not linked is stored and no more."""
        graph, number = self._graph, len(inputs[-1])
        if linked:
            graph.add(inputs[-1])
        else:
            self._stores[-1][0].add(inputs[-1])
            levels = graph.hnsw.levels
            levels.resize(graph.ntotal + number)
            faiss.rev_swig_ptr(levels.data(), levels.size())[graph.ntotal :] = 1  # the lowest only
            graph.hnsw.prepare_level_tab(number, True)
            graph.ntotal += number
        for (store, _), rows in zip(self._stores[:-1], inputs, strict=False):
            store.add(rows)
        for index in self._wrappers:
            index.ntotal += number


def _transformed(transforms: list[Any], vectors: Vectors) -> Vectors:
    # Once for all: the last digits of a product of matrices depend on how many rows there are.
    for transform in transforms:
        vectors = transform.apply(vectors)
    return vectors


def _view(store: Any) -> Codes:
    if not store.ntotal:
        return np.empty((0, store.code_size), dtype=np.uint8)
    codes: Codes = faiss.rev_swig_ptr(store.codes.data(), store.ntotal * store.code_size)
    return codes.reshape(-1, store.code_size)
