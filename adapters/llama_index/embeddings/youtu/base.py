"""YoutuEmbedding: the encoder where LlamaIndex's ``HuggingFaceEmbedding`` stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.bridge.pydantic import BaseModel, Field, PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.rate_limiter import BaseRateLimiter
from llama_index.core.schema import BaseNode, ImageType, MetadataMode
from llama_index.core.storage.kvstore.types import BaseKVStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.embeddings.huggingface.base import DEFAULT_HUGGINGFACE_LENGTH
from llama_index.embeddings.huggingface.utils import DEFAULT_HUGGINGFACE_EMBEDDING_MODEL

from llama_index.embeddings.youtu.cache import CachePart, part_name
from youtu_st.errors import InputError
from youtu_st.frameworks.arguments import encoder_settings
from youtu_st.frameworks.embedder import Embedder, Embeds
from youtu_st.inputs import check_texts
from youtu_st.protocol import Role, TextEncoder

BATCH_TEXTS = 1024
_GONE = "deprecated"


class YoutuEmbedding(Embeds, HuggingFaceEmbedding):
    """Vectors of ``encode_query`` and ``encode_document``, with the arguments of ``HuggingFaceEmbedding``.

    Texts reach the tokenizer as they are, and all adapters of a process share one loaded model for equal
    settings. Safe from many threads and tasks; concurrent ``aget_query_embedding`` calls share batches.
    Errors come at once, without retries. As a transformation of nodes it embeds their text alone, unless
    ``embed_metadata``.

        >>> embed_model = YoutuEmbedding(model_name="minilm")
        >>> vector = embed_model.get_query_embedding("Which planet is red?")

    Args:
        model_name: As for :class:`youtu_st.Encoder`.
        encoder: An :class:`~youtu_st.Encoder` or other :class:`~youtu_st.TextEncoder`, instead of a model.
        max_length: Tokens to read, if fewer than the model's maximum.
        query_instruction: For every query. None: the model's own prompt; ``""``: none; anything else goes
            through the model's template.
        text_instruction: For every text, likewise. It never enters what is stored.
        normalize: Vectors have unit length; False is an error where that makes a difference.
        embed_metadata: As a transformation, embed metadata before the text, as LlamaIndex does.
        embed_batch_size: Texts that LlamaIndex hands over at once; batches are planned by tokens from there.
        cache_folder: Where downloads are kept.
        trust_remote_code: Run code that the checkpoint brings.
        device: ``cpu``, ``cuda``, ...; None: the best there is.
        callback_manager: LlamaIndex's.
        parallel_process: Taken, and without effect: ``target_devices`` alone says where it runs.
        target_devices: Devices that batches are spread over, with ``device``.
        show_progress_bar: Show a progress bar on long work.
        num_workers: Concurrent batches of the asynchronous methods.
        embeddings_cache: A key-value store; queries, texts and models have collections of their own in it.
        rate_limiter: LlamaIndex's.
        tokenizer_name: Gone, as in the stock class.
        pooling: Gone, as in the stock class.
        model: Gone, as in the stock class; see ``encoder``.
        tokenizer: Gone, as in the stock class.
        **model_kwargs: Arguments of ``SentenceTransformer`` or of ``Encoder``, such as ``dtype``,
            ``truncate_dim``, ``prompts`` or ``checkpoint``.

    Raises:
        InputError: For an argument that would give other vectors: the message says what to use instead.
        YoutuError: As for :class:`youtu_st.Encoder`.
    """

    embed_metadata: bool = Field(default=False, description="Embed metadata before a node's text.")
    _embedder: Embedder = PrivateAttr()
    _parts: dict[tuple[Role, str | None], str] = PrivateAttr(default_factory=dict)

    def __init__(
        self,
        model_name: str | None = None,
        tokenizer_name: str | None = _GONE,
        pooling: str = _GONE,
        max_length: int | None = None,
        query_instruction: str | None = None,
        text_instruction: str | None = None,
        normalize: bool = True,
        model: Any = _GONE,
        tokenizer: Any = _GONE,
        embed_batch_size: int = BATCH_TEXTS,
        cache_folder: str | None = None,
        trust_remote_code: bool = False,
        device: str | None = None,
        callback_manager: CallbackManager | None = None,
        parallel_process: bool = False,
        target_devices: list[str] | None = None,
        show_progress_bar: bool = False,
        *,
        encoder: TextEncoder | None = None,
        embed_metadata: bool = False,
        num_workers: int | None = None,
        embeddings_cache: BaseKVStore | None = None,
        rate_limiter: BaseRateLimiter | None = None,
        **model_kwargs: Any,
    ) -> None:
        old = {"tokenizer_name": tokenizer_name, "pooling": pooling, "model": model, "tokenizer": tokenizer}
        for name, value in old.items():
            if value != _GONE:
                raise InputError(f"{name} is gone: for a model that is loaded pass encoder=Encoder(model)")
        given = {
            "cache_folder": cache_folder,
            "trust_remote_code": trust_remote_code or None,
            "device": _devices(device, target_devices),
            "max_length": max_length,
            **model_kwargs,
        }
        settings = encoder_settings({name: value for name, value in given.items() if value is not None})
        if encoder is not None and model_name is not None:
            settings = {"model_name": model_name, **settings}
        embedder = Embedder.of(
            model_name or DEFAULT_HUGGINGFACE_EMBEDDING_MODEL, encoder=encoder, settings=settings
        )
        embedder.check(
            normalize=normalize, query_instruction=query_instruction, text_instruction=text_instruction
        )
        # Not the stock class's constructor, which would load a model of its own.
        BaseModel.__init__(
            self,
            model_name=embedder.encoder.model_name,
            max_length=getattr(embedder.encoder, "max_length", None) or DEFAULT_HUGGINGFACE_LENGTH,
            normalize=normalize,
            query_instruction=query_instruction,
            text_instruction=text_instruction,
            embed_batch_size=embed_batch_size,
            cache_folder=cache_folder,
            callback_manager=callback_manager or CallbackManager([]),
            show_progress_bar=show_progress_bar,
            embed_metadata=embed_metadata,
            num_workers=num_workers,
            embeddings_cache=embeddings_cache,
            rate_limiter=rate_limiter,
        )
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex serialises it."""
        return "YoutuEmbedding"

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """The settings and the encoder's fingerprint: a pipeline's cache must tell models apart."""
        return {**super().to_dict(**kwargs), "fingerprint": self.encoder.fingerprint}

    # -- nodes: the text alone -----------------------------------------------------------------------------

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Embed nodes. Without ``embed_metadata`` they are marked: no key of theirs is to be embedded."""
        return _filled(nodes, self.get_text_embedding_batch(self._contents(nodes), **kwargs))

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """As calling it, without blocking the event loop."""
        return _filled(nodes, await self.aget_text_embedding_batch(self._contents(nodes), **kwargs))

    def _contents(self, nodes: Sequence[BaseNode]) -> list[str]:
        if isinstance(nodes, str | bytes):
            raise InputError(f"nodes must be a list of nodes, not one {type(nodes).__name__}")
        if self.embed_metadata:
            return [node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
        for node in nodes:
            node.excluded_embed_metadata_keys = list(node.metadata)
        return [node.get_content(metadata_mode=MetadataMode.NONE) for node in nodes]

    # -- the cache: a part for each role, instruction and model --------------------------------------------

    def get_query_embedding(self, query: str) -> Embedding:
        """The vector of a query, of unit length."""
        return super(YoutuEmbedding, self._caching("query")).get_query_embedding(query)

    async def aget_query_embedding(self, query: str) -> Embedding:
        """As :meth:`get_query_embedding`, without blocking the event loop."""
        return await super(YoutuEmbedding, self._caching("query")).aget_query_embedding(query)

    def get_text_embedding(self, text: str) -> Embedding:
        """The vector of a text, of unit length."""
        return super(YoutuEmbedding, self._caching("document")).get_text_embedding(text)

    async def aget_text_embedding(self, text: str) -> Embedding:
        """As :meth:`get_text_embedding`, without blocking the event loop."""
        return await super(YoutuEmbedding, self._caching("document")).aget_text_embedding(text)

    def get_text_embedding_batch(
        self, texts: list[str], show_progress: bool = False, **kwargs: Any
    ) -> list[Embedding]:
        """The vectors of texts, in order.

        Raises:
            InputError: If they are no list of str, or one is blank: the message has its position.
        """
        check_texts(texts)
        part = self._caching("document")
        return super(YoutuEmbedding, part).get_text_embedding_batch(texts, show_progress, **kwargs)

    async def aget_text_embedding_batch(
        self, texts: list[str], show_progress: bool = False, **kwargs: Any
    ) -> list[Embedding]:
        """As :meth:`get_text_embedding_batch`, without blocking the event loop."""
        check_texts(texts)
        part = self._caching("document")
        return await super(YoutuEmbedding, part).aget_text_embedding_batch(texts, show_progress, **kwargs)

    def get_agg_embedding_from_queries(
        self, queries: list[str], agg_fn: Callable[..., Embedding] | None = None
    ) -> Embedding:
        """One vector for several queries, their mean unless ``agg_fn`` says otherwise."""
        return super().get_agg_embedding_from_queries(check_texts(queries, noun="query"), agg_fn)

    async def aget_agg_embedding_from_queries(
        self, queries: list[str], agg_fn: Callable[..., Embedding] | None = None
    ) -> Embedding:
        """As :meth:`get_agg_embedding_from_queries`, without blocking the event loop."""
        return await super().aget_agg_embedding_from_queries(check_texts(queries, noun="query"), agg_fn)

    def _caching(self, role: Role) -> YoutuEmbedding:
        """This, or a view of it whose cache holds nothing of another role, instruction or model."""
        if self.embeddings_cache is None:
            return self
        key = role, self._instruction(role)
        if key not in self._parts:  # once, not with every query: it asks for the encoder's fingerprint
            self._parts[key] = part_name(self.encoder.fingerprint, *key)
        part = CachePart(self.embeddings_cache, self._parts[key])
        return self.model_copy(update={"embeddings_cache": part})

    # -- what LlamaIndex asks a subclass for ---------------------------------------------------------------

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._vectors("query", [query], show_progress=self.show_progress_bar)[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._vectors("document", texts, show_progress=self.show_progress_bar)

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._avectors("query", [query]))[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await self._avectors("document", texts)

    def _get_image_embedding(self, img_file_path: ImageType) -> Embedding:
        raise InputError("these models encode text, not images: use HuggingFaceEmbedding for images")

    def _get_image_embeddings(self, img_file_paths: list[ImageType]) -> list[Embedding]:
        return [self._get_image_embedding(path) for path in img_file_paths]

    # -- pickling: LlamaIndex would drop what it cannot pickle, and construct it anew from the fields --------

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state["__dict__"].setdefault("callback_manager", CallbackManager([]))
        state["__pydantic_private__"]["_embedder"] = self._embedder
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        BaseModel.__setstate__(self, state)


def _filled(nodes: Sequence[BaseNode], embeddings: Sequence[Embedding]) -> Sequence[BaseNode]:
    for node, embedding in zip(nodes, embeddings, strict=True):
        node.embedding = embedding
    return nodes


def _devices(device: str | None, target_devices: list[str] | None) -> str | list[str] | None:
    """One device as its name; several as a list."""
    named = list(dict.fromkeys([*([device] if device else []), *(target_devices or [])]))
    return named if len(named) > 1 else next(iter(named), None)
