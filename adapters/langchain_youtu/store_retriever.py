"""LangChain's retriever over a store, for the search types that it does not know."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStoreRetriever

BY_WORDS = ("hybrid", "lexical")
"""Search types that look for words."""


class StoreRetriever(VectorStoreRetriever):
    """A ``VectorStoreRetriever`` that finds by words too, by the types ``hybrid`` and ``lexical``."""

    allowed_search_types: ClassVar[Collection[str]] = (
        *VectorStoreRetriever.allowed_search_types,
        *BY_WORDS,
    )

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        if self.search_type in BY_WORDS:
            return self.vectorstore.search(query, self.search_type, **{**self.search_kwargs, **options})
        return super()._get_relevant_documents(query, run_manager=run_manager, **options)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        if self.search_type in BY_WORDS:
            return await self.vectorstore.asearch(
                query, self.search_type, **{**self.search_kwargs, **options}
            )
        return await super()._aget_relevant_documents(query, run_manager=run_manager, **options)
