"""LlamaIndex's queries as searches of the index."""

from __future__ import annotations

from typing import Any

from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode

from llama_index.vector_stores.youtu.filters import in_documents, to_filter
from youtu_st.errors import InputError, brief
from youtu_st.index import Hit, VectorIndex
from youtu_st.index.inputs import check_ids
from youtu_st.inputs import check_share

_FETCH = 20
_MODES = ("default", "mmr", "hybrid", "text_search", "sparse")
_WORDS = (VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE)


def hits_of(index: VectorIndex, query: VectorStoreQuery, mmr_threshold: float | None) -> list[Hit]:
    """What a query finds, see ``YoutuVectorStore.query``.

    Raises:
        InputError: If the query or its mode is wrong: the message says what is allowed.
        FilterError: If a filter cannot be used.
    """
    condition = to_filter(query.filters)
    if query.doc_ids is not None:
        condition = {"$and": [condition, in_documents(check_ids(query.doc_ids))]}
    confined: dict[str, Any] = {"filter": condition, "ids": query.node_ids or None}
    if query.mode in _WORDS:
        k = _first(query.sparse_top_k, query.similarity_top_k)
        return index.search(_words(query), k, mode="lexical", **confined)
    question = query.query_str if query.query_embedding is None else query.query_embedding
    if question is None:
        raise InputError("a query must have query_embedding or query_str, and this has neither")
    if query.mode == VectorStoreQueryMode.DEFAULT:
        return index.search(question, query.similarity_top_k, **confined)
    if query.mode == VectorStoreQueryMode.HYBRID:
        k = _first(query.hybrid_top_k, query.similarity_top_k)
        weight = 0.5 if query.alpha is None else check_share("alpha", query.alpha)
        return index.search(question, k, mode="hybrid", weight=weight, words=_words(query), **confined)
    if query.mode == VectorStoreQueryMode.MMR:
        return index.search_diverse(
            question,
            query.similarity_top_k,
            fetch_k=max(_FETCH, 4 * query.similarity_top_k),
            lambda_mult=0.5 if mmr_threshold is None else mmr_threshold,
            **confined,
        )
    raise InputError(
        f"the mode of a query must be one of {', '.join(_MODES)} here, not {brief(_mode(query))}"
    )


def _first(own: int | None, other: int) -> int:
    return other if own is None else own


def _mode(query: VectorStoreQuery) -> Any:
    """Its name, as a str where LlamaIndex has it or a caller a str of his own."""
    return query.mode.value if isinstance(query.mode, VectorStoreQueryMode) else query.mode


def _words(query: VectorStoreQuery) -> str:
    if query.query_str is None:
        raise InputError(f"a query of mode {_mode(query)!r} looks for words: it must have query_str")
    return query.query_str
