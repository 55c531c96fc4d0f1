"""What an approximate index loses: its search of its own documents beside an exact one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np

from youtu_st.index.keys import Keys
from youtu_st.index.nearest import factory as recipes
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.storage.directory import IndexDirectory
from youtu_st.index.storage.documents import DocumentStore
from youtu_st.index.storage.manifest import check_encoder, read_manifest
from youtu_st.inputs import check_count, unit_rows
from youtu_st.protocol import TextEncoder, Vectors

Compared = Literal["vectors", "stored vectors", "texts encoded again"]

_CLOSE = 1e-6  # scores that differ by less are equal: any of the documents is as right
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Recall:
    """How much of what an exact search finds a search of the index finds.

    Attributes:
        k: The nearest that were asked for, the document itself left out.
        recall: The share of them that was found, or others with equal scores.
        queries: Documents that were asked for.
        milliseconds: Of a search in the index, one query at a time, without reading documents.
        exact_milliseconds: Of an exact one.
        compared: With what: the very ``vectors``; the ``stored vectors``, where a factory keeps less, so that
            what this loses is not counted; or the ``texts encoded again``.
    """

    k: int
    recall: float
    queries: int
    milliseconds: float
    exact_milliseconds: float
    compared: Compared


def measure_recall(
    path: str | Path, most: int = 200, *, k: int = 10, encoder: TextEncoder | None = None, seed: int = 0
) -> Recall | None:
    """Search for a sample of an index's own documents, in the index and exactly.

    Args:
        path: The index.
        most: How many documents to search for; all of them where there are fewer.
        k: How many of the nearest to compare.
        encoder: The one that the index was built with. Where the factory keeps less than the vectors, all
            texts are encoded again, which takes as long as to build the index. None: no model is needed.
        seed: Equal seeds draw the same of the same index.

    Returns:
        None where nothing can be lost: of ``Flat``, of a factory that is not trained yet, and of fewer than
        two documents.

    Raises:
        IndexNotFoundError: If there is no index.
        IndexMismatchError: If the encoder is another.
        IndexDamagedError: If a file cannot be read: the message names it.
        VectorIndexError: If this kind of FAISS index cannot give its vectors back.
    """
    most, k = check_count("most", most), check_count("k", k)
    manifest = read_manifest(path)
    if encoder is not None:
        check_encoder(manifest, encoder, Path(path))

    def measured(documents: DocumentStore, table: VectorTable) -> Recall | None:
        if table.is_flat or table.alive_count < 2:
            return None
        again = None if recipes.keeps_whole_vectors(table.index) else encoder
        return _Comparison(documents, table, again, min(k, table.alive_count - 1)).measure(most, seed)

    with closing(IndexDirectory(Path(path), manifest, None)) as directory:
        return directory.read(measured)


class _Comparison:
    """One index, and what it is compared with: its vectors, or those of an encoder."""

    def __init__(
        self, documents: DocumentStore, table: VectorTable, encoder: TextEncoder | None, k: int
    ) -> None:
        self._documents, self._table, self._encoder, self._k = documents, table, encoder, k

    def measure(self, most: int, seed: int) -> Recall:
        table, k = self._table, self._k
        keys = table.keys[table.alive]
        if len(keys) > most:
            keys = np.sort(np.random.default_rng(seed).choice(keys, most, replace=False))
        queries, seconds = self._vectors(keys), 0.0
        queries = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), _CLOSE)
        found = np.zeros((len(keys), k), dtype=np.int64)  # no key is 0
        for row, (key, query) in enumerate(zip(keys.tolist(), queries, strict=True)):
            start = perf_counter()
            (hits,) = table.search(query[None], k + 1)
            seconds += perf_counter() - start
            others = [other for _, other in hits if other != key][:k]
            found[row, : len(others)] = others
        best, scores, exact_seconds = self._exactly(keys, queries, found)
        if self._encoder is not None:
            compared: Compared = "texts encoded again"
        else:
            compared = "vectors" if recipes.keeps_whole_vectors(table.index) else "stored vectors"
        return Recall(
            k=k,
            recall=float((scores >= best[:, -1:] - _CLOSE).mean()),
            queries=len(keys),
            milliseconds=1e3 * seconds / len(keys),
            exact_milliseconds=1e3 * exact_seconds / len(keys),
            compared=compared,
        )

    def _exactly(self, keys: Keys, queries: Vectors, found: Keys) -> tuple[Vectors, Vectors, float]:
        """The ``k`` best scores of each query, the scores of what was found, and the seconds that it took."""
        best = np.full((len(queries), self._k), -np.inf, dtype=np.float32)
        scores, seconds = np.full(found.shape, -np.inf, dtype=np.float32), 0.0
        for block, vectors in self._blocks():
            for row, query in enumerate(queries):
                start = perf_counter()
                cosines = vectors @ query
                cosines[block == keys[row]] = -np.inf  # itself
                top = cosines if len(cosines) <= self._k else np.partition(cosines, -self._k)[-self._k :]
                best[row] = np.sort(np.append(best[row], top))[::-1][: self._k]
                seconds += perf_counter() - start
                places = np.minimum(np.searchsorted(block, found[row]), len(block) - 1)
                here = block[places] == found[row]
                scores[row, here] = cosines[places[here]]
        return best, scores, seconds

    def _blocks(self) -> Iterator[tuple[Keys, Vectors]]:
        keys, size = self._table.keys[self._table.alive], _BLOCK if self._encoder else 16 * _BLOCK
        for start in range(0, len(keys), size):
            block = keys[start : start + size]
            yield block, self._vectors(block)

    def _vectors(self, keys: Keys) -> Vectors:
        if self._encoder is None:
            return self._table.reconstruct(keys)  # ranked as the index ranks them, whatever their lengths
        rows = self._documents.rows(keys.tolist())
        vectors = self._encoder.encode_document([rows[key].text for key in keys.tolist()])
        return unit_rows(vectors, (len(keys), self._table.dimension), "the encoder's vectors")
