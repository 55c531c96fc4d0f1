"""youtu-st in LlamaIndex: an embedding model with the vectors of ``encode_query``."""

from __future__ import annotations

from youtu_st.errors import require

require("llama_index.embeddings.huggingface", "llama-index")

from llama_index.embeddings.youtu.base import YoutuEmbedding  # noqa: E402 - only once the host is known to be there

__all__ = ["YoutuEmbedding"]
