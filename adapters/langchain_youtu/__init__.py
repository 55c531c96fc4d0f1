"""youtu-st in LangChain: embeddings with the vectors of ``encode_query``, a store, reranking."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from youtu_st.errors import require

if TYPE_CHECKING:
    from langchain_youtu.embeddings import YoutuEmbeddings as YoutuEmbeddings
    from langchain_youtu.reranker import YoutuReranker as YoutuReranker
    from langchain_youtu.retriever import YoutuRetriever as YoutuRetriever
    from langchain_youtu.vectorstores import YoutuVectorStore as YoutuVectorStore

_HOME = {
    "YoutuEmbeddings": "embeddings",
    "YoutuReranker": "reranker",
    "YoutuRetriever": "retriever",
    "YoutuVectorStore": "vectorstores",
}

__all__ = ["YoutuEmbeddings", "YoutuReranker", "YoutuRetriever", "YoutuVectorStore"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'langchain_youtu' has no attribute {name!r}")
    require("langchain_huggingface", "langchain")
    return getattr(importlib.import_module(f"langchain_youtu.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
