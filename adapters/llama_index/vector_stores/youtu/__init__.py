"""youtu-st in LlamaIndex: a vector store on disk that deletes, filters and replaces, and a retriever."""

from __future__ import annotations

from youtu_st.errors import require

require("llama_index.core", "llama-index")

from llama_index.vector_stores.youtu.base import YoutuVectorStore  # noqa: E402 - only once the host is known to be there
from llama_index.vector_stores.youtu.retriever import YoutuRetriever  # noqa: E402 - likewise

__all__ = ["YoutuRetriever", "YoutuVectorStore"]
