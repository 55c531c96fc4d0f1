"""YoutuRetriever: search, then rerank, as LangChain's ``BaseRetriever``."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from langchain_youtu.documents import langchain_document
from youtu_st.index.searching import Mode
from youtu_st.retriever import Retriever


class YoutuRetriever(BaseRetriever):
    """Documents that answer a question, by a :class:`youtu_st.Retriever`; asynchronously in a thread.

        >>> two_stages = Retriever(store.index, Reranker("qwen3-reranker-0.6b"))
        >>> documents = YoutuRetriever(retriever=two_stages, k=3).invoke("Which planet is red?")

    Args:
        retriever: The index, the reranker, and how many candidates go from one to the other.
        k: Number of documents.
        filter: A condition on metadata, as for :class:`~langchain_youtu.YoutuVectorStore`.
        instruction: A task description for both models. None: their own.
        mode: What finds the candidates: ``dense``, by meaning, ``lexical``, by words, or ``hybrid``, by both.
        weight: The share of meaning in a hybrid search, from 0 to 1.
        name: LangChain's, and so are ``tags`` and ``metadata``.

    Raises:
        InputError: When it is asked, as for :meth:`youtu_st.Retriever.search`.
    """

    retriever: Retriever
    k: int = Field(default=4, ge=1)
    filter: dict[str, Any] | None = None
    instruction: str | None = None
    mode: Mode = "dense"
    weight: float = Field(default=0.5, ge=0, le=1)

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        """Best first, with the ``relevance_score`` in their metadata."""
        hits = self.retriever.search(
            query, self.k, self.filter, self.instruction, mode=self.mode, weight=self.weight
        )
        found = [langchain_document(hit) for hit in hits]
        for document, hit in zip(found, hits, strict=True):
            document.metadata["relevance_score"] = hit.score
        return found
