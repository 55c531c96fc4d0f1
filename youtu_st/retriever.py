"""Retriever: search, then rerank, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from youtu_st.errors import InputError
from youtu_st.inputs import check_count

if TYPE_CHECKING:
    from youtu_st.index import Hit, VectorIndex
    from youtu_st.index.filtering.filters import Filter
    from youtu_st.index.searching import Mode
    from youtu_st.rerank import Ranked, Reranker

CANDIDATES = 50


class Retriever:
    """Vectors find the documents that may answer a question, and a reranker puts those into order.

        >>> retriever = Retriever(index, Reranker("qwen3-reranker-0.6b"))
        >>> hits = retriever.search("Which planet is red?", k=3)

    Args:
        index: An open :class:`~youtu_st.index.VectorIndex`.
        reranker: A :class:`~youtu_st.rerank.Reranker`. None: the index's order and cosines stay.
        candidates: How many documents the reranker reads for a question; never fewer than are asked for.

    Raises:
        InputError: If one of them is something else.
    """

    def __init__(
        self, index: VectorIndex, reranker: Reranker | None = None, candidates: int = CANDIDATES
    ) -> None:
        # By their shape: importing the classes would load torch.
        if not callable(getattr(index, "search_many", None)):
            raise InputError(
                f"index must be a VectorIndex, not {type(index).__name__}; a directory is opened with "
                "VectorIndex.open, and a store has its index as .index"
            )
        if reranker is not None and not callable(getattr(reranker, "rank_many", None)):
            raise InputError(
                f"reranker must be a Reranker, not {type(reranker).__name__}; "
                "for a name or a CrossEncoder pass Reranker(model)"
            )
        self.index = index
        self.reranker = reranker
        self.candidates = check_count("candidates", candidates)

    def search(
        self,
        query: str,
        k: int = 5,
        filter: Filter | None = None,
        instruction: str | None = None,
        *,
        mode: Mode = "dense",
        weight: float = 0.5,
        ids: Iterable[str] | None = None,
        show_progress: bool = False,
    ) -> list[Hit]:
        """The ``k`` documents that answer a question best, best first; fewer only where fewer match.

        Args:
            query: The question. Without a reranker a vector will do too.
            k: Number of hits.
            filter: A condition on metadata, as for :meth:`youtu_st.index.VectorIndex.search`.
            instruction: A task description for both models. None: their own.
            mode: What the index finds by: ``dense``, ``lexical`` or ``hybrid``, see
                :meth:`youtu_st.index.VectorIndex.search`.
            weight: The share of meaning in a hybrid search.
            ids: The only documents that may be found.
            show_progress: Show a progress bar after two seconds of reranking.

        Returns:
            Hits with the reranker's scores, those of equal score in the index's order.

        Raises:
            InputError: If an argument is wrong, or a model takes no instructions and one is given.
            FilterError: If the filter is malformed.
        """
        if self.reranker is None:
            return self.index.search(
                query, k, filter, mode=mode, weight=weight, ids=ids, instruction=instruction
            )
        if not isinstance(query, str):
            raise InputError(f"query must be a str, which a reranker reads, not {type(query).__name__}")
        most = max(check_count("k", k), self.candidates)
        hits = self.index.search(
            query, most, filter, mode=mode, weight=weight, ids=ids, instruction=instruction
        )
        texts = [hit.text for hit in hits]
        ranked = self.reranker.rank(query, texts, k=k, instruction=instruction, show_progress=show_progress)
        return _in_order(hits, ranked)

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 5,
        filter: Filter | None = None,
        instruction: str | Sequence[str] | None = None,
        *,
        mode: Mode = "dense",
        weight: float = 0.5,
        ids: Iterable[str] | None = None,
        show_progress: bool = False,
    ) -> list[list[Hit]]:
        """:meth:`search` for several questions in shared batches; ``instruction`` may be one for each."""
        if self.reranker is None:
            return self.index.search_many(
                queries, k, filter, mode=mode, weight=weight, ids=ids, instruction=instruction
            )
        most = max(check_count("k", k), self.candidates)
        found = self.index.search_many(
            queries, most, filter, mode=mode, weight=weight, ids=ids, instruction=instruction
        )
        texts = [[hit.text for hit in hits] for hits in found]
        ranked = self.reranker.rank_many(
            queries, texts, k=k, instruction=instruction, show_progress=show_progress
        )
        return list(map(_in_order, found, ranked))

    def __repr__(self) -> str:
        return f"Retriever({self.index!r}, {self.reranker!r}, candidates={self.candidates})"


def _in_order(hits: Sequence[Hit], ranked: Iterable[Ranked]) -> list[Hit]:
    return [
        replace(hits[one.index], score=one.score, scores={"rerank": one.score, **hits[one.index].scores})
        for one in ranked
    ]
