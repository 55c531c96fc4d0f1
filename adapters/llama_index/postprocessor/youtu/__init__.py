"""youtu-st in LlamaIndex: a reranker behind any retriever."""

from __future__ import annotations

from youtu_st.errors import require

require("llama_index.core", "llama-index")

from llama_index.postprocessor.youtu.base import YoutuRerank  # noqa: E402 - only once the host is known to be there

__all__ = ["YoutuRerank"]
