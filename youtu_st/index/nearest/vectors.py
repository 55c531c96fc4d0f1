"""The vectors of an index in memory: a FAISS index, the documents' keys, and which of them are alive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.errors import VectorIndexError, in_one_line
from youtu_st.index.keys import Keys
from youtu_st.index.nearest import factory as recipes
from youtu_st.index.nearest import training
from youtu_st.index.nearest._faiss import faiss
from youtu_st.index.nearest.equal import first_of_each, row_sums
from youtu_st.index.nearest.graph import Graph
from youtu_st.index.nearest.snapshot import read_snapshot, write_snapshot
from youtu_st.protocol import Vectors

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Found = list[list[tuple[float, int]]]
"""For each query its hits as (score, key), best first; equal scores in the order of adding."""

_EXACT_BELOW = 20_000  # so few matching vectors are scored one by one: no approximation can miss them
_SPARE = 64  # so few dead vectors are cheaper to fetch and drop than to select against
_DEAD_SHARE = 0.2
_CHUNK = 16_384
_QUERIES = 1_024


class VectorTable:
    """Vectors by position 0..n-1, in the order of their keys; a dead one stays until ``compact``.

    A factory that needs training stands in as ``Flat`` (exact) until ``train``. Equal vectors share a
    node of a graph, see :mod:`youtu_st.index.nearest.graph`.
    """

    def __init__(self, factory: str, dimension: int, search_parameters: str | None = None) -> None:
        self._factory, self._search_parameters = factory, search_parameters
        self.dimension = dimension
        self._target = self._build()
        self._plan = training.Plan.of(self._target)
        index = self._target if self._target.is_trained else faiss.IndexFlatIP(dimension)
        self._hold(index, np.empty(0, dtype=np.int64))

    def _build(self) -> Any:
        target = recipes.build(self._factory, self.dimension)
        recipes.tune(target, self._search_parameters)
        return target

    def _hold(self, index: Any, keys: Keys, graph: Graph | None = None) -> None:
        """Have these vectors and no others, all of them alive."""
        self.index = index
        self._graph = Graph.of(index) if graph is None else graph
        self._distinct = 0, 0  # in so many of the vectors
        self.keys = keys
        self.alive: Mask = np.ones(len(keys), dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def alive_count(self) -> int:
        """Number of vectors whose documents exist."""
        return int(np.count_nonzero(self.alive))

    @property
    def dead_keys(self) -> Keys:
        """Keys of the vectors whose documents are gone."""
        return self.keys[~self.alive]

    @property
    def needs_training(self) -> bool:
        """Whether vectors still sit in the Flat stand-in."""
        return self.index is not self._target

    @property
    def consistent(self) -> bool:
        """False where an interrupted call left FAISS and the keys apart."""
        return int(self.index.ntotal) == len(self.keys) == len(self.alive)

    @property
    def is_flat(self) -> bool:
        """Whether the vectors lie in a plain matrix now."""
        return isinstance(self.index, faiss.IndexFlat)

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Append vectors; those of keys that are here already are left out."""
        if len(self.keys) and len(keys) and keys[0] <= self.keys[-1]:
            new = keys > self.keys[-1]
            keys, vectors = keys[new], vectors[new]
        if not len(keys):
            return
        (self.index if self._graph is None else self._graph).add(vectors)
        self.keys = np.concatenate([self.keys, keys])
        self.alive = np.concatenate([self.alive, np.ones(len(keys), dtype=np.bool_)])

    def discard(self, keys: Keys) -> None:
        """Mark vectors dead; unknown keys are no error."""
        self.alive[self._positions(keys)] = False

    def _positions(self, keys: Keys) -> Positions:
        places = np.searchsorted(self.keys, keys)
        known = places < len(self.keys)
        known[known] = self.keys[places[known]] == keys[known]
        return places[known]

    # -- search ------------------------------------------------------------------------------------------

    def search(self, queries: Vectors, k: int, allowed: Keys | None = None) -> Found:
        """The ``k`` nearest living vectors, or all there are.

        Args:
            queries: Unit rows, shape ``(n, dimension)``.
            k: Number of hits for each query.
            allowed: Keys to confine the search to; None means all.
        """
        mask, filtered = self.alive, allowed is not None
        if allowed is not None:
            mask = np.zeros(len(self.keys), dtype=np.bool_)
            mask[self._positions(allowed)] = True
            mask &= self.alive
        count = int(np.count_nonzero(mask))
        k = min(k, count)
        if not k or not len(queries):
            return [[] for _ in queries]
        # Few rows are scored one by one: no approximation can miss them. One query of Flat needs no help.
        alone = self.is_flat and len(queries) == 1
        one_by_one = count <= _EXACT_BELOW or recipes.may_miss_lists(self.index)
        if filtered and one_by_one and not alone and self._can_reconstruct():
            return self._scan(queries, k, np.flatnonzero(mask))
        nodes = self._graph.nodes(mask) if self._graph is not None else mask
        nearest = self._nearest(queries, k, nodes, everything=filtered)
        found = self._rank(queries, k, mask, nodes, *nearest)
        short = [row for row, hits in enumerate(found) if len(hits) < k]
        for row, hits in zip(short, self._complete(queries[short], k, mask), strict=True):
            found[row] = hits
        return found

    def _nearest(
        self, queries: Vectors, k: int, mask: Mask, *, everything: bool
    ) -> tuple[Vectors, Positions]:
        total, count = len(self.keys), int(np.count_nonzero(mask))
        if self._graph is not None:
            total = self._graph.node_count
        k, selects = min(k, count), recipes.takes_selector(self.index)
        # Flat is fastest without a selector, and the dead are spread: a few more hits make up for them.
        if total - count <= _SPARE or not selects or (self.is_flat and not everything):
            spare = min(total - count, max(_SPARE, 2 * k * (total - count) // total))
            return self._fetch(queries, k + spare, k, mask, everything=everything)
        selector = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        parameters = recipes.search_parameters(self.index, k, selector, count / total, everything=everything)
        scores, positions = self.index.search(queries, k, params=parameters)
        return scores, positions

    def _fetch(
        self, queries: Vectors, fetch: int, k: int, mask: Mask, *, everything: bool
    ) -> tuple[Vectors, Positions]:
        """Ask for more than ``k``, until ``k`` of them are in the mask."""
        while True:
            parameters = recipes.search_parameters(self.index, fetch, None, 1.0, everything=everything)
            scores, positions = self.index.search(queries, fetch, params=parameters)
            enough = (mask[positions] & (positions >= 0)).sum(axis=1).min() >= k
            # Where dead vectors are few, an approximate search that comes up short is completed elsewhere.
            if enough or fetch >= len(self.keys) or (recipes.takes_selector(self.index) and not self.is_flat):
                return scores, positions
            fetch = min(4 * fetch, len(self.keys))

    def _rank(
        self, queries: Vectors, k: int, mask: Mask, nodes: Mask, scores: Vectors, positions: Positions
    ) -> Found:
        wanted = nodes[positions] & (positions >= 0)
        if isinstance(self.index, faiss.IndexPreTransform) and self._can_reconstruct():
            # A transform may shift the origin (PCA does); the cosine is that of the vector it stands for.
            rows, columns = np.nonzero(wanted)
            stored = self.index.reconstruct_batch(positions[rows, columns])
            scores[rows, columns] = np.einsum("ij,ij->i", queries[rows], stored)
        found = []
        for row_scores, row_positions, row_wanted in zip(scores, positions, wanted, strict=True):
            row = row_scores[row_wanted], row_positions[row_wanted]
            best, places = self._graph.expand(*row, mask, k) if self._graph is not None else row
            pairs = zip(best.tolist(), self.keys[places].tolist(), strict=True)
            found.append(sorted(pairs, key=_best_first)[:k])
        return found

    def _complete(self, queries: Vectors, k: int, mask: Mask) -> Found:
        """For queries whose approximate search came up short of ``k``: look everywhere."""
        if not len(queries):
            return []
        lists = recipes.inverted(self.index) is not None and not recipes.may_miss_lists(self.index)
        if not lists and self._can_reconstruct():
            return self._scan(queries, k, np.flatnonzero(mask))
        return self._rank(queries, k, mask, mask, *self._nearest(queries, k, mask, everything=True))

    def _scan(self, queries: Vectors, k: int, positions: Positions) -> Found:
        """Score the vectors at some positions one by one."""
        found: Found = []
        for start in range(0, len(queries), _QUERIES):
            block = queries[start : start + _QUERIES]
            best: Found = [[] for _ in block]
            for chunk, stored in self._stored(positions):
                keys = self.keys[chunk]
                for row, scores in enumerate(block @ stored.T):
                    best[row] = sorted(best[row] + _top(scores, keys, k), key=_best_first)[:k]
            found.extend(best)
        return found

    # -- stored vectors ----------------------------------------------------------------------------------

    def reconstruct(self, keys: Keys) -> Vectors:
        """Vectors as stored, shape ``(n, dimension)``: what a lossy factory kept of them.

        Raises:
            VectorIndexError: If this kind of index cannot give its vectors back.
        """
        if len(keys) and not self._can_reconstruct():
            raise VectorIndexError(
                "this kind of FAISS index cannot give its vectors back: encode the texts again"
            )
        stored = [rows for _, rows in self._stored(self._positions(keys))]
        return np.concatenate([np.empty((0, self.dimension), dtype=np.float32), *stored])

    def _stored(self, positions: Positions) -> Iterator[tuple[Positions, Vectors]]:
        for start in range(0, len(positions), _CHUNK):
            chunk = positions[start : start + _CHUNK]
            yield chunk, self.index.reconstruct_batch(chunk)

    def _can_reconstruct(self) -> bool:
        ivf = recipes.inverted(self.index)
        try:
            if ivf is not None and ivf.direct_map.type == faiss.DirectMap.NoMap:
                ivf.make_direct_map()
            self.index.reconstruct(0)
        except RuntimeError:
            return False
        return True

    # -- training, compaction, files ---------------------------------------------------------------------

    def training_minimum(self) -> int:
        """How many different vectors training takes at least."""
        return recipes.training_minimum(self._target)

    def training_due(self, last: int, *, ending: bool) -> bool:
        """Whether it is time to train, see :mod:`youtu_st.index.nearest.training`.

        Args:
            last: How many different vectors the last training had; 0 where nobody knows.
            ending: Nothing more is added for now.
        """
        needed = self._plan.needed(last, trained=not self.needs_training, ending=ending)
        return needed is not None and self.has_distinct(needed)

    def has_distinct(self, least: int) -> bool:
        """Whether so many living vectors are different."""
        count, among = self._distinct
        if min(self.alive_count, count + len(self.keys) - among) < least:
            return False
        self._distinct = len(self._first_positions()), len(self.keys)
        return self._distinct[0] >= least

    def _first_positions(self) -> Positions:
        """Of living vectors that are equal the first one's position."""
        living = np.flatnonzero(self.alive)
        self._can_reconstruct()  # see to it that it can
        sums = [row_sums(rows) for _, rows in self._stored(living)]
        return living[first_of_each(np.concatenate([np.empty(0, dtype=np.int64), *sums]))]

    def train(self) -> int:
        """Train on a sample of the different living vectors, and move all that live over.

        Returns:
            How many different ones there are.

        Raises:
            VectorIndexError: If FAISS cannot do it.
        """
        first, keys = self._first_positions(), self.keys[self.alive]
        target, vectors = self._build(), self.reconstruct(keys)
        graph = Graph.of(target)
        recipes.quiet(target)
        try:
            target.train(self.reconstruct(self.keys[training.sample(first, target)]))
            (target if graph is None else graph).add(vectors)
        except RuntimeError as error:
            what = f"FAISS cannot train this index on {len(keys)} vectors"
            raise VectorIndexError(in_one_line(what, error)) from error
        self._target = target
        self._hold(target, keys, graph)
        return len(first)

    def compact(self) -> None:
        """Drop dead vectors, where that is cheap or they are many; untie a crowd of equal nodes."""
        dead = len(self.keys) - self.alive_count
        if self._graph is not None and self._graph.crowded:
            self._rebuild()
            return
        if not dead or not (self.is_flat or dead > _DEAD_SHARE * len(self.keys)):
            return
        if not self._remove_dead():
            self._rebuild()

    def _remove_dead(self) -> bool:
        ivf = recipes.inverted(self.index)
        bits = np.packbits(~self.alive, bitorder="little")
        try:
            if ivf is not None:
                ivf.set_direct_map_type(faiss.DirectMap.NoMap)
            self.index.remove_ids(faiss.IDSelectorBitmap(bits))
        except RuntimeError:  # graphs and refined indexes cannot remove
            return False
        if ivf is not None:
            # Inverted lists keep the old positions as their ids; others close the gaps themselves.
            places = np.cumsum(self.alive, dtype=np.int64) - 1
            for number in range(ivf.nlist):
                size = ivf.invlists.list_size(number)
                if size:
                    ids = faiss.rev_swig_ptr(ivf.invlists.get_ids(number), size)
                    ids[:] = places[ids]
        self._hold(self.index, self.keys[self.alive])
        return True

    def _rebuild(self) -> None:
        if not self._can_reconstruct():
            return  # dead vectors stay, and stay hidden
        keys = self.keys[self.alive]
        vectors = self.reconstruct(keys)
        self.index.reset()
        self._hold(self.index, keys[:0])
        self.add(keys, vectors)

    def write(self, path: Path) -> int:
        """Write a snapshot; its checksum."""
        return write_snapshot(path, self.index, self.keys)

    def read(self, path: Path, expected: int | None = None) -> None:
        """Take over a snapshot, which has to have that checksum, if there is one."""
        index, keys = read_snapshot(path, self.dimension, self._factory, expected)
        recipes.mend(index)
        if self._target.is_trained or not isinstance(index, faiss.IndexFlat):
            self._target = index
            recipes.tune(index, self._search_parameters)
        self._hold(index, keys)


def _top(scores: Vectors, keys: Keys, k: int) -> list[tuple[float, int]]:
    """The ``k`` best of a row; of equal scores the first."""
    places = np.arange(len(scores))
    if len(scores) > k:
        places = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
        places = places[np.argsort(-scores[places], kind="stable")][:k]
    return list(zip(scores[places].tolist(), keys[places].tolist(), strict=True))


def _best_first(pair: tuple[float, int]) -> tuple[float, int]:
    return -pair[0], pair[1]
