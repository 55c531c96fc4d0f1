"""YoutuEmbeddings: the encoder where LangChain's ``HuggingFaceEmbeddings`` stands."""

from __future__ import annotations

from typing import Any

from langchain_huggingface import HuggingFaceEmbeddings
from pydantic import BaseModel, PrivateAttr

from youtu_st.frameworks.arguments import encoder_settings
from youtu_st.frameworks.embedder import Embedder, Embeds
from youtu_st.protocol import TextEncoder


class YoutuEmbeddings(Embeds, HuggingFaceEmbeddings):
    """Vectors of ``encode_query`` and ``encode_document``, with the arguments of ``HuggingFaceEmbeddings``.

    Texts reach the tokenizer as they are, each role gets the model's own prompt, and all adapters of a
    process share one loaded model for equal settings. Safe from many threads and tasks; concurrent
    ``aembed_query`` calls share batches.

        >>> embeddings = YoutuEmbeddings(model="minilm")
        >>> vector = embeddings.embed_query("Which planet is red?")

    Args:
        model: As for :class:`youtu_st.Encoder`; also as ``model_name``.
        encoder: An :class:`~youtu_st.Encoder` or other :class:`~youtu_st.TextEncoder`, instead of a model.
        query_instruction: For every query. None: the model's own prompt; ``""``: none; anything else goes
            through the model's template.
        text_instruction: For every document, likewise. It never enters what is stored.
        model_kwargs: Arguments of ``SentenceTransformer`` or of ``Encoder``, such as ``device``, ``dtype``,
            ``truncate_dim``, ``prompts`` or ``checkpoint``.
        encode_kwargs: Arguments of ``encode`` for documents; one that would change a vector is an error.
        query_encode_kwargs: Likewise for queries.
        cache_folder: Where downloads are kept.
        multi_process: Taken, and without effect: several devices are ``model_kwargs={"device": [...]}``.
        show_progress: Show a progress bar on long work.
        **kwargs: More of ``model_kwargs``.

    Raises:
        InputError: For an argument that would give other vectors: the message says what to use instead.
        YoutuError: As for :class:`youtu_st.Encoder`.
    """

    query_instruction: str | None = None
    text_instruction: str | None = None
    _embedder: Embedder = PrivateAttr()

    def __init__(self, *, encoder: TextEncoder | None = None, **kwargs: Any) -> None:
        taken = {name for key, field in type(self).model_fields.items() for name in (key, field.alias)}
        settings = {name: kwargs.pop(name) for name in [*kwargs] if name not in taken}
        # Not the stock class's constructor, which would load a model of its own.
        BaseModel.__init__(self, **kwargs)
        settings = encoder_settings({"cache_folder": self.cache_folder, **self.model_kwargs, **settings})
        if encoder is not None and "model_name" in self.model_fields_set:
            settings = {"model": self.model_name, **settings}
        self._embedder = Embedder.of(self.model_name, encoder=encoder, settings=settings)
        self.model_name = self.encoder.model_name
        self._embedder.check(**dict(self))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector of unit length for each text, as Python floats.

        Raises:
            InputError: If a text is empty or blank: the message has its position.
        """
        return self._vectors("document", texts, show_progress=self.show_progress)

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query, of unit length, as Python floats. Raises as :meth:`embed_documents`."""
        return self._vectors("query", [text], show_progress=self.show_progress)[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """As :meth:`embed_documents`, without blocking the event loop."""
        return await self._avectors("document", texts)

    async def aembed_query(self, text: str) -> list[float]:
        """As :meth:`embed_query`, without blocking the event loop; concurrent calls share batches."""
        return (await self._avectors("query", [text]))[0]
