"""YoutuRetriever: search, then rerank, as LlamaIndex's ``BaseRetriever``."""

from __future__ import annotations

from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters

from llama_index.vector_stores.youtu.filters import to_filter
from llama_index.vector_stores.youtu.nodes import to_node
from youtu_st.errors import InputError
from youtu_st.frameworks.store import in_a_thread
from youtu_st.index.searching import Asked, Mode
from youtu_st.inputs import check_count, check_share
from youtu_st.retriever import Retriever


class YoutuRetriever(BaseRetriever):
    """Nodes that answer a question, by a :class:`youtu_st.Retriever`; asynchronously in a thread.

        >>> two_stages = Retriever(store.index, Reranker("qwen3-reranker-0.6b"))
        >>> nodes = YoutuRetriever(two_stages, similarity_top_k=3).retrieve("Which planet is red?")

    Args:
        retriever: The index, the reranker, and how many candidates go from one to the other. Both read a
            question's text; an embedding that comes with it is not used.
        similarity_top_k: Number of nodes.
        filters: LlamaIndex's conditions on metadata.
        instruction: A task description for both models. None: their own.
        mode: What finds the candidates: ``dense``, by meaning, ``lexical``, by words, or ``hybrid``, by both.
        alpha: The share of meaning in a hybrid search, from 0 to 1.
        callback_manager: LlamaIndex's.

    Raises:
        InputError: If ``retriever`` is none, or a number or ``mode`` is out of range; when asked, as for
            :meth:`youtu_st.Retriever.search`.
        FilterError: If a filter cannot be used.
    """

    def __init__(
        self,
        retriever: Retriever,
        *,
        similarity_top_k: int = 2,
        filters: MetadataFilters | None = None,
        instruction: str | None = None,
        mode: Mode = "dense",
        alpha: float = 0.5,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        if not isinstance(retriever, Retriever):
            raise InputError(
                f"retriever must be a youtu_st.Retriever, not {type(retriever).__name__}: "
                "pass Retriever(store.index), or Retriever(store.index, reranker)"
            )
        check_count("similarity_top_k", similarity_top_k)
        Asked(mode, check_share("alpha", alpha))
        super().__init__(callback_manager)
        self.retriever = retriever
        self.similarity_top_k = similarity_top_k
        self.filter = to_filter(filters)
        self.instruction = instruction
        self.mode = mode
        self.alpha = alpha

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self.retriever.search(
            query_bundle.query_str,
            self.similarity_top_k,
            self.filter,
            self.instruction,
            mode=self.mode,
            weight=self.alpha,
        )
        return [NodeWithScore(node=to_node(hit), score=hit.score) for hit in hits]

    _aretrieve = in_a_thread(_retrieve)
