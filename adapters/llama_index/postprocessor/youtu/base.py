"""YoutuRerank: a reranker where LlamaIndex's ``SentenceTransformerRerank`` stands."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from llama_index.core.bridge.pydantic import BaseModel, Field, PrivateAttr
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # re-exported
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle

from youtu_st.errors import InputError
from youtu_st.frameworks.reranker import DEFAULT_MODEL, best, check_top_n, reranker_for
from youtu_st.rerank import Reranker

RETRIEVAL_SCORE = "retrieval_score"
"""The metadata key that ``keep_retrieval_score`` fills, as in the stock class."""

dispatcher = get_dispatcher(__name__)


class YoutuRerank(BaseNodePostprocessor):
    """Puts retrieved nodes into the order in which they answer the question, and keeps the best.

    What comes back are copies with the reranker's scores; the nodes handed in stay as they are. The text
    alone is scored, unless ``embed_metadata``. All adapters of a process share one loaded model for equal
    settings. Safe from many threads and tasks.

        >>> rerank = YoutuRerank(top_n=3, model="qwen3-reranker-0.6b")
        >>> engine = index.as_query_engine(similarity_top_k=20, node_postprocessors=[rerank])

    Args:
        top_n: Number of nodes to keep; None: all.
        model: As for :class:`youtu_st.rerank.Reranker`: a name, a directory, a hub id or a YAML file.
        device: ``cpu``, ``cuda``, ...; None: the best there is.
        keep_retrieval_score: Keep the score a node came with in its metadata, as ``retrieval_score``.
        trust_remote_code: Run code that the checkpoint brings.
        reranker: A :class:`~youtu_st.rerank.Reranker` that is loaded, instead of a model.
        instruction: What makes a node a good answer, for a model that takes instructions. None: the model's
            own.
        embed_metadata: Score a node's text with its metadata before it, as LlamaIndex does
            (``MetadataMode.EMBED``).
        callback_manager: LlamaIndex's.
        model_kwargs: Further arguments of ``Reranker``, such as ``checkpoint``, ``dtype`` or ``max_length``.
        **kwargs: More of ``model_kwargs``.

    Raises:
        InputError: For an argument that cannot be used: the message says what is allowed.
        YoutuError: As for :class:`youtu_st.rerank.Reranker`.
    """

    top_n: int | None = Field(default=2, description="Number of nodes to keep; None: all.")
    model: str = Field(default=DEFAULT_MODEL, description="The reranker's name.")
    device: str | None = Field(default=None, description="Where it runs.")
    keep_retrieval_score: bool = Field(default=False, description="Keep the old score in metadata.")
    trust_remote_code: bool = Field(default=False, description="Run code that the checkpoint brings.")
    instruction: str | None = Field(default=None, description="What makes a node a good answer.")
    embed_metadata: bool = Field(default=False, description="Score metadata before a node's text.")
    model_kwargs: dict[str, Any] = Field(default={}, description="Further arguments of Reranker.", repr=False)
    _reranker: Reranker = PrivateAttr()

    def __init__(
        self,
        top_n: int | None = 2,
        model: str | None = None,
        device: str | None = None,
        keep_retrieval_score: bool = False,
        trust_remote_code: bool = False,
        *,
        reranker: Reranker | None = None,
        instruction: str | None = None,
        embed_metadata: bool = False,
        callback_manager: CallbackManager | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        check_top_n(top_n)
        further = {**(model_kwargs or {}), **kwargs}
        named = {"device": device} if device is not None else {}
        trusted = {"trust_remote_code": True} if trust_remote_code else {}
        loaded = reranker_for(model, reranker=reranker, settings={**named, **trusted, **further})
        BaseModel.__init__(  # the host's base declares its own fields alone
            self,
            top_n=top_n,
            model=loaded.model_name,
            device=device,
            keep_retrieval_score=keep_retrieval_score,
            trust_remote_code=trust_remote_code,
            instruction=instruction,
            embed_metadata=embed_metadata,
            callback_manager=callback_manager or CallbackManager([]),
            model_kwargs=further,
        )
        self._reranker = loaded

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex serialises it."""
        return "YoutuRerank"

    @property
    def reranker(self) -> Reranker:
        """What scores; ``reranker.model`` is the ``CrossEncoder``."""
        return self._reranker

    def __repr__(self) -> str:
        return f"YoutuRerank({self._reranker!r}, top_n={self.top_n})"

    __str__ = __repr__

    # -- what LlamaIndex asks a subclass for ---------------------------------------------------------------

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise InputError("there is no question to rank nodes by: pass query_str or query_bundle")
        if not nodes:
            return []
        question, count = query_bundle.query_str, self.top_n or len(nodes)
        dispatcher.event(
            ReRankStartEvent(query=query_bundle, nodes=nodes, top_n=count, model_name=self.model)
        )
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self.model,
            EventPayload.QUERY_STR: question,
            EventPayload.TOP_K: count,
        }
        mode = MetadataMode.EMBED if self.embed_metadata else MetadataMode.NONE
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            texts = [found.node.get_content(metadata_mode=mode) for found in nodes]
            ranked = best(self._reranker, question, texts, top_n=self.top_n, instruction=self.instruction)
            kept = [self._scored(nodes[one.index], one.score) for one in ranked]
            event.on_end(payload={EventPayload.NODES: kept})
        dispatcher.event(ReRankEndEvent(nodes=kept))
        return kept

    def _scored(self, found: NodeWithScore, score: float) -> NodeWithScore:
        node = _copied(found.node)
        if self.keep_retrieval_score:
            node.metadata[RETRIEVAL_SCORE] = found.score
        return found.model_copy(update={"node": node, "score": score})

    # -- pickling: LlamaIndex would drop what it cannot pickle, and construct it anew from the fields --------

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state["__dict__"].setdefault("callback_manager", CallbackManager([]))
        state["__pydantic_private__"]["_reranker"] = self._reranker
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        BaseModel.__setstate__(self, state)


def _copied(node: BaseNode) -> BaseNode:
    """A deep copy of a node; what an ``IndexNode`` stands for, such as a query engine, is not copied."""
    obj = getattr(node, "obj", None)
    return deepcopy(node, {} if obj is None else {id(obj): obj})
