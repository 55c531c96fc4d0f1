"""The searches of an index: by meaning, by words, by both, and for variety."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.errors import InputError, brief
from youtu_st.index import inputs
from youtu_st.index.filtering.filters import Filter
from youtu_st.index.hits import Hits
from youtu_st.index.mmr import mmr
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.results import Hit
from youtu_st.index.searching import Asked, FusionName, Mode, Scored, find
from youtu_st.index.storage.directory import IndexDirectory
from youtu_st.index.storage.documents import DocumentStore
from youtu_st.index.storage.rows import Rows
from youtu_st.inputs import check_count, check_share, check_texts, unit_rows
from youtu_st.protocol import TextEncoder, Vectors


class Searches:
    """What :class:`~youtu_st.index.VectorIndex` finds."""

    encoder: TextEncoder
    _directory: IndexDirectory

    def search(
        self,
        query: str | npt.ArrayLike,
        k: int = 5,
        filter: Filter | None = None,
        *,
        mode: Mode = "dense",
        weight: float = 0.5,
        fusion: FusionName = "rrf",
        words: str | None = None,
        ids: Iterable[str] | None = None,
        instruction: str | None = None,
    ) -> list[Hit]:
        """The ``k`` documents that fit a query best, best first; fewer only where fewer match.

        Args:
            query: A question, or a vector of shape ``(dimension,)``, of any length but zero.
            k: Number of hits.
            filter: A condition on metadata, such as ``{"lang": "zh", "year": {"$gte": 2020}}``.
            mode: ``dense`` finds by meaning, scores are cosines; ``lexical`` by words, scores are BM25's and
                nothing is encoded; ``hybrid`` by both: the first 100 of each, fused. ``hit.scores`` says what
                a score was made of.
            weight: The share of meaning in a hybrid search, from 0 (words alone) to 1 (meaning alone).
            fusion: ``rrf`` fuses ranks, ``weighted_sum`` scores: see :mod:`youtu_st.index.fusion`.
            words: The question's words, where the query is a vector.
            ids: The only documents that may be found, as far as they match; unknown ids are not an error.
            instruction: Another instruction than the encoder's own, for a question.

        Raises:
            InputError: If the query, ``k``, ``ids`` or how to search is wrong.
            FilterError: If the filter is malformed.
            VectorIndexError: If words are asked for, and the index has none.
        """
        return self.search_many(
            inputs.alone(query),
            k,
            filter,
            mode=mode,
            weight=weight,
            fusion=fusion,
            words=words,
            ids=ids,
            instruction=instruction,
        )[0]

    def search_many(
        self,
        queries: Sequence[str] | npt.ArrayLike,
        k: int = 5,
        filter: Filter | None = None,
        *,
        mode: Mode = "dense",
        weight: float = 0.5,
        fusion: FusionName = "rrf",
        words: str | Sequence[str] | None = None,
        ids: Iterable[str] | None = None,
        instruction: str | Sequence[str] | None = None,
    ) -> list[list[Hit]]:
        """:meth:`search` for several queries at once: questions, or a matrix of shape ``(n, dimension)``."""
        k, confined, asked = check_count("k", k), inputs.confinement(filter, ids), Asked(mode, weight, fusion)
        questions = asked.words(queries, words)
        vectors = self._query_vectors(queries, instruction) if asked.needs_vectors else None

        def found(documents: DocumentStore, table: VectorTable) -> tuple[list[list[Scored]], Rows]:
            scored = find(asked, documents, table, vectors, questions, k, confined)
            return scored, documents.rows(hit.key for hits in scored for hit in hits)

        scored, rows = self._directory.read(found)
        return [Hits(Hit.of(rows[hit.key], hit.score, hit.scores) for hit in hits) for hits in scored]

    def search_diverse(
        self,
        query: str | npt.ArrayLike,
        k: int = 5,
        *,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        ids: Iterable[str] | None = None,
        instruction: str | None = None,
    ) -> list[Hit]:
        """Documents near the query and not near each other: maximal marginal relevance, in the order chosen.

        See :func:`youtu_st.index.mmr.mmr`. Scores are cosines to the query, as in ``search``.

        Args:
            query: As for ``search``.
            k: Number of hits.
            fetch_k: How many of the nearest documents to choose from; at least ``k`` are.
            lambda_mult: From 0 (only diversity) to 1 (only relevance).
            filter: As for ``search``.
            ids: As for ``search``.
            instruction: As for ``search``.

        Raises:
            InputError: If an argument is wrong.
            VectorIndexError: If this kind of FAISS index cannot give its vectors back.
        """
        k, fetch_k = check_count("k", k), check_count("fetch_k", fetch_k)
        share, confined = check_share("lambda_mult", lambda_mult), inputs.confinement(filter, ids)
        vectors = self._query_vectors(inputs.alone(query), instruction)

        def diverse(documents: DocumentStore, table: VectorTable) -> tuple[list[tuple[float, int]], Rows]:
            (found,) = table.search(vectors, max(k, fetch_k), documents.allowed(*confined))
            candidates = table.reconstruct(np.array([key for _, key in found], dtype=np.int64))
            chosen = [found[i] for i in mmr(vectors[0], candidates, k=k, lambda_mult=share)]
            return chosen, documents.rows(key for _, key in chosen)

        chosen, rows = self._directory.read(diverse)
        return Hits(Hit.of(rows[key], score) for score, key in chosen)

    def _query_vectors(self, queries: Any, instruction: str | Sequence[str] | None) -> Vectors:
        if not hasattr(queries, "__len__"):
            raise InputError(f"queries must be a list of questions or a matrix, not {brief(queries)}")
        if isinstance(queries, str) or (len(queries) and isinstance(queries[0], str)):
            texts = check_texts(inputs.listed(queries), noun="query")
            return self._checked(self.encoder.encode_query(texts, instruction=instruction), len(texts))
        if instruction is not None:
            raise InputError(
                "instruction must be None for a vector, which has been encoded already, not "
                f"{brief(instruction)}"
            )
        shape = (len(queries), self._directory.manifest.dimension)
        return unit_rows(queries if len(queries) else np.empty(shape), shape, "queries")

    def _checked(self, vectors: Vectors, count: int) -> Vectors:
        return unit_rows(vectors, (count, self._directory.manifest.dimension), "the encoder's vectors")
