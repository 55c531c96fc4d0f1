"""LangChain's searches, over an index."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore, VectorStoreRetriever

from langchain_youtu.documents import Scored, langchain_document, scored
from langchain_youtu.searches import OF_RELEVANCE, OF_VARIETY, OF_VECTOR, Search, relevance
from langchain_youtu.store_retriever import BY_WORDS, StoreRetriever
from youtu_st.errors import InputError, brief
from youtu_st.index import VectorIndex


class SearchCalls(VectorStore):
    """The searches of a ``VectorStore`` over a :class:`~youtu_st.index.VectorIndex`."""

    @property
    @abstractmethod
    def index(self) -> VectorIndex:
        """The index."""

    @property
    @abstractmethod
    def embeddings(self) -> Embeddings:
        """What encodes the questions."""

    def search(self, query: str, search_type: str, **options: Any) -> list[Document]:
        """By LangChain's search types, or ``hybrid`` or ``lexical``, with the keywords of their methods.

        Raises:
            ValueError: If there is no such type.
            InputError: If ``mode`` is another one.
        """
        if search_type in BY_WORDS:
            return self.similarity_search(query, **_of_type(search_type, options))
        return super().search(query, search_type, **options)

    async def asearch(self, query: str, search_type: str, **options: Any) -> list[Document]:
        """As :meth:`search`, without blocking the event loop."""
        if search_type in BY_WORDS:
            return await self.asimilarity_search(query, **_of_type(search_type, options))
        return await super().asearch(query, search_type, **options)

    def as_retriever(self, **options: Any) -> VectorStoreRetriever:
        """As LangChain's, whose ``search_type`` may also be ``hybrid`` or ``lexical`` here.

            >>> retriever = store.as_retriever(search_type="hybrid", search_kwargs={"k": 5, "weight": 0.3})

        Raises:
            ValueError: If there is no such type.
        """
        if options.get("search_type") not in BY_WORDS:
            return super().as_retriever(**options)
        tags = super().as_retriever(tags=options.pop("tags", None)).tags
        return StoreRetriever(vectorstore=self, tags=tags, **options)

    def similarity_search(self, query: str, k: int = 4, filter: Any = None, **options: Any) -> list[Document]:
        """The ``k`` documents nearest to a question, best first; or by its words, or both.

        Args:
            query: The question.
            k: Number of documents.
            filter: A condition on metadata and text, or a function of a document's metadata.
            **options: ``score_threshold``, and how to search: ``mode``, ``weight`` and ``fusion`` of
                :meth:`youtu_st.index.VectorIndex.search`.

        Raises:
            InputError: If an argument is wrong.
            FilterError: If the filter is malformed.
            TypeError: For an unknown keyword.
        """
        return [found for found, _ in self.similarity_search_with_score(query, k, filter, **options)]

    async def asimilarity_search(
        self, query: str, k: int = 4, filter: Any = None, **options: Any
    ) -> list[Document]:
        """As :meth:`similarity_search`, without blocking the event loop."""
        return [found for found, _ in await self.asimilarity_search_with_score(query, k, filter, **options)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Any = None, **options: Any
    ) -> Scored:
        """As :meth:`similarity_search`, with cosines, or what a search by words has in their place."""
        search = Search.of(k, {"filter": filter, **options})
        vector = self.embeddings.embed_query(query) if search.needs_vector else None
        return scored(search.found(self.index, query, vector))

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, filter: Any = None, **options: Any
    ) -> Scored:
        """As :meth:`similarity_search_with_score`, without blocking the event loop."""
        search = Search.of(k, {"filter": filter, **options})
        vector = await self.embeddings.aembed_query(query) if search.needs_vector else None
        return scored(await asyncio.to_thread(search.found, self.index, query, vector))

    def similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, filter: Any = None, **options: Any
    ) -> Scored:
        """As :meth:`similarity_search`, with relevances from 0 to 1, which are (1 + cosine) / 2.

        Raises:
            InputError: As there; and for ``mode``, of which ``dense`` alone has them.
        """
        Search.of(k, {"filter": filter, **options}, dense_for=OF_RELEVANCE)
        found = self.similarity_search_with_score(query, k, filter, **options)
        return [(document, relevance(cosine)) for document, cosine in found]

    async def asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, filter: Any = None, **options: Any
    ) -> Scored:
        """As :meth:`similarity_search_with_relevance_scores`, without blocking the event loop."""
        Search.of(k, {"filter": filter, **options}, dense_for=OF_RELEVANCE)
        found = await self.asimilarity_search_with_score(query, k, filter, **options)
        return [(document, relevance(cosine)) for document, cosine in found]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Any = None, **options: Any
    ) -> list[Document]:
        """As :meth:`similarity_search`, for a question's vector, of any length but zero."""
        search = Search.of(k, {"filter": filter, **options}, dense_for=OF_VECTOR)
        return [langchain_document(hit) for hit in search.near(self.index, embedding)]

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Any = None, **options: Any
    ) -> list[Document]:
        """As :meth:`similarity_search_by_vector`, without blocking the event loop."""
        return await asyncio.to_thread(self.similarity_search_by_vector, embedding, k, filter, **options)

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Any = None,
        **options: Any,
    ) -> list[Document]:
        """Documents near a question and not near each other, in the order chosen.

        Args:
            query: The question.
            k: Number of documents.
            fetch_k: How many of the nearest to choose from; at least ``k`` are.
            lambda_mult: From 0 (only diversity) to 1 (only relevance).
            filter: As for :meth:`similarity_search`.
            **options: ``score_threshold``; only documents that relevant are chosen from.

        Raises:
            InputError: If an argument is wrong.
            FilterError: If the filter is malformed.
            TypeError: For an unknown keyword.
        """
        search = Search.of(
            k, {"filter": filter, **options}, fetch_k=fetch_k, lambda_mult=lambda_mult, dense_for=OF_VARIETY
        )
        hits = search.diverse(self.index, self.embeddings.embed_query(query))
        return [langchain_document(hit) for hit in hits]

    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Any = None,
        **options: Any,
    ) -> list[Document]:
        """As :meth:`max_marginal_relevance_search`, without blocking the event loop."""
        search = Search.of(
            k, {"filter": filter, **options}, fetch_k=fetch_k, lambda_mult=lambda_mult, dense_for=OF_VARIETY
        )
        vector = await self.embeddings.aembed_query(query)
        hits = await asyncio.to_thread(search.diverse, self.index, vector)
        return [langchain_document(hit) for hit in hits]

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Any = None,
        **options: Any,
    ) -> list[Document]:
        """As :meth:`max_marginal_relevance_search`, for a question's vector."""
        search = Search.of(
            k, {"filter": filter, **options}, fetch_k=fetch_k, lambda_mult=lambda_mult, dense_for=OF_VARIETY
        )
        return [langchain_document(hit) for hit in search.diverse(self.index, embedding)]

    async def amax_marginal_relevance_search_by_vector(
        self, embedding: list[float], *given: Any, **options: Any
    ) -> list[Document]:
        """As :meth:`max_marginal_relevance_search_by_vector`, without blocking the event loop."""
        call = self.max_marginal_relevance_search_by_vector
        return await asyncio.to_thread(call, embedding, *given, **options)


def _of_type(search_type: str, options: dict[str, Any]) -> dict[str, Any]:
    """The keywords of a search, with the mode that its type is.

    Raises:
        InputError: If they have another.
    """
    if options.get("mode", search_type) != search_type:
        raise InputError(
            f"search_type={brief(search_type)} and mode={brief(options['mode'])} are two modes: give one of "
            "them"
        )
    return {**options, "mode": search_type}
