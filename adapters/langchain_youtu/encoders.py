"""Between LangChain's ``Embeddings`` and :class:`youtu_st.TextEncoder`, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from langchain_core.embeddings import Embeddings

from langchain_youtu.embeddings import YoutuEmbeddings
from youtu_st.errors import InputError
from youtu_st.inputs import check_texts, unit_rows
from youtu_st.protocol import TextEncoder, Vectors, fingerprint

_NAMES = ("model_name", "model", "model_id")


class EmbeddingsEncoder:
    """A :class:`youtu_st.TextEncoder` over any LangChain ``Embeddings``.

    Of such an object nothing is known but its class, often a model's name, and its vectors. So an equal
    fingerprint is a hint only: compare vectors too, with :meth:`youtu_st.index.VectorIndex.check`.

    Args:
        embedding: What encodes. Vectors of another length than 1 are scaled.
        identity: What is known of its vectors, where that is more.
    """

    def __init__(self, embedding: Embeddings, *, identity: Mapping[str, str] | None = None) -> None:
        self.embedding = embedding
        self._known = identity

    @property
    def model_name(self) -> str:
        """The model's name where the object has one, else that of its class."""
        names = (getattr(self.embedding, name, None) for name in _NAMES)
        return next((name for name in names if isinstance(name, str)), type(self.embedding).__name__)

    @cached_property
    def dimension(self) -> int:
        """Length of a vector; the first time, a query is embedded to find out."""
        return len(self.embedding.embed_query("dimension"))

    @property
    def identity(self) -> dict[str, str]:
        """Class, model and dimension, or what is known instead."""
        if self._known is not None:
            return dict(self._known)
        kind = type(self.embedding).__name__
        return {"embeddings": kind, "model": self.model_name, "dimension": str(self.dimension)}

    @property
    def fingerprint(self) -> str:
        """Over :attr:`identity`."""
        return fingerprint(self.identity)

    @property
    def runtime(self) -> dict[str, str]:
        """Unknown but for the framework."""
        return {"backend": "langchain"}

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode queries, one by one, as LangChain does; no progress is shown.

        Raises:
            InputError: If a text is blank, an instruction is given, since there is no way to hand it on, or
                what the object gives is not a vector for each text, of the length it had before.
        """
        checked = self._checked(texts, instruction)
        return self._unit([self.embedding.embed_query(text) for text in checked], len(checked))

    def encode_document(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode documents, in one call. Otherwise as :meth:`encode_query`."""
        checked = self._checked(texts, instruction)
        return self._unit(self.embedding.embed_documents(checked) if checked else [], len(checked))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmbeddingsEncoder) and self.embedding is other.embedding

    def __hash__(self) -> int:
        return id(self.embedding)

    def __repr__(self) -> str:
        return f"EmbeddingsEncoder({type(self.embedding).__name__}, {self.model_name!r})"

    def _checked(self, texts: Sequence[str], instruction: object) -> list[str]:
        if instruction is not None:
            raise InputError(
                f"{type(self.embedding).__name__} takes no instruction, and this is {instruction!r}: "
                "YoutuEmbeddings does, as query_instruction and text_instruction"
            )
        return check_texts(texts)

    def _unit(self, rows: list[list[float]], count: int) -> Vectors:
        shape = (count, self.dimension)
        what = f"the vectors of {type(self.embedding).__name__}"
        return unit_rows(rows if count else np.empty(shape), shape, what)


def encoder_for(embedding: Embeddings) -> TextEncoder:
    """The encoder whose document vectors are those of an ``Embeddings`` object.

    For a :class:`YoutuEmbeddings` that is its own, unless it has a ``text_instruction``, with which vectors
    mean something else. A ``query_instruction`` is left to whoever asks: no document depends on it.

    Raises:
        InputError: If it is no ``Embeddings``.
    """
    if not isinstance(embedding, Embeddings):
        raise InputError(
            f"embedding must be a LangChain Embeddings, not {type(embedding).__name__}; "
            "a TextEncoder is passed as encoder="
        )
    if not isinstance(embedding, YoutuEmbeddings):
        return EmbeddingsEncoder(embedding)
    if embedding.text_instruction is None:
        return embedding.encoder
    documents = embedding.model_copy(update={"query_instruction": None})
    identity = {**embedding.encoder.identity, "text_instruction": embedding.text_instruction}
    return EmbeddingsEncoder(documents, identity=identity)


def one_of(encoder: TextEncoder | None, embedding: Embeddings | None) -> Embeddings | None:
    """The ``Embeddings`` object that is meant, if any; both are an error."""
    if encoder is None:
        return embedding
    if embedding is not None:
        raise InputError("encoder and embedding are two ways to say the same: pass one of them")
    return embedding_for(encoder)


def embedding_for(encoder: TextEncoder) -> Embeddings:
    """The other way: an ``Embeddings`` object with an encoder's vectors."""
    if isinstance(encoder, EmbeddingsEncoder):
        return encoder.embedding
    return YoutuEmbeddings(encoder=encoder)
