"""LangChain's calls with documents: looked at before LangChain takes them apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from typing_extensions import Self

from langchain_youtu.documents import check_documents


class DocumentCalls(VectorStore):
    """A ``VectorStore`` to which a str, or anything else that is no list of documents, is an error."""

    @classmethod
    def from_documents(cls, documents: list[Document], embedding: Embeddings, **options: Any) -> Self:
        """As ``from_texts``, for documents."""
        return super().from_documents(check_documents(documents), embedding, **options)

    @classmethod
    async def afrom_documents(cls, documents: list[Document], embedding: Embeddings, **options: Any) -> Self:
        """As :meth:`from_documents`, without blocking the event loop."""
        return await super().afrom_documents(check_documents(documents), embedding, **options)

    def add_documents(self, documents: list[Document], **options: Any) -> list[str]:
        """As ``add_texts``, for documents, with their own ids unless ``ids`` says otherwise."""
        return super().add_documents(check_documents(documents), **options)

    async def aadd_documents(self, documents: list[Document], **options: Any) -> list[str]:
        """As :meth:`add_documents`, without blocking the event loop."""
        return await asyncio.to_thread(self.add_documents, documents, **options)

    async def aadd_texts(
        self, texts: Iterable[str], metadatas: list[dict[str, Any]] | None = None, **options: Any
    ) -> list[str]:
        """As ``add_texts``, without blocking the event loop."""
        return await asyncio.to_thread(self.add_texts, texts, metadatas, **options)
