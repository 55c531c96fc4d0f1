"""What langchain-community's ``FAISS`` has beyond LangChain's ``VectorStore``: its users keep it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from typing_extensions import Self

from langchain_youtu.docstore import Docstore
from langchain_youtu.documents import Scored, scored
from langchain_youtu.searches import OF_VARIETY, OF_VECTOR, Search, refuse
from youtu_st.errors import InputError, brief
from youtu_st.index import VectorIndex

_INSTEAD = {
    "embedding_function": "it is store.embeddings",
    "distance_strategy": "scores are cosines",
    "override_relevance_score_fn": "relevance is (1 + cosine) / 2",
}
_NO_BYTES = "the index is a directory: copy it when the store is closed, or use save_local and load_local"


class FaissCalls:
    """Methods of ``FAISS`` over a :class:`~youtu_st.index.VectorIndex`, for ``YoutuVectorStore``."""

    if TYPE_CHECKING:

        @property
        def index(self) -> VectorIndex: ...

        def __init__(
            self, index: VectorIndex | str | Path, *, embedding: Embeddings | None = None
        ) -> None: ...

        @classmethod
        def _made(
            cls, path: str | Path | None, embedding: Embeddings, factory: str, documents: tuple[Any, ...]
        ) -> Self: ...

        def _add(self, texts: Any, metadatas: Any, ids: Any, vectors: Any) -> list[str]: ...

    def __getattr__(self, name: str) -> NoReturn:
        instead = f": {_INSTEAD[name]}" if name in _INSTEAD else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{instead}")

    # -- what there is -----------------------------------------------------------------------------------

    @property
    def docstore(self) -> Docstore:
        """The documents, to be read: ``docstore.search(id)``."""
        return Docstore(self.index)

    @property
    def index_to_docstore_id(self) -> Mapping[int, str]:
        """The ids as they are now, by the order in which the documents were added; not to be written."""
        return MappingProxyType(dict(enumerate(self.index.ids())))

    # -- directories -------------------------------------------------------------------------------------

    def save_local(self, folder_path: str | Path, index_name: str = "index") -> None:
        """Copy the index, unless it is in that very directory: there all changes are on disk already.

        Args:
            folder_path: A new or empty directory.
            index_name: Another name than ``index`` is that of a directory in it.

        Raises:
            IndexExistsError: If the directory holds another index, or anything else.
        """
        path = _directory(folder_path, index_name)
        if path.exists() and path.samefile(self.index.path):
            return
        manifest = self.index.manifest
        with VectorIndex.create(path, self.index.encoder, manifest.factory, lexical=manifest.lexical) as copy:
            _copy(self.index, copy, vectors=True)

    @classmethod
    def load_local(
        cls,
        folder_path: str | Path,
        embeddings: Embeddings | None = None,
        index_name: str = "index",
        *,
        allow_dangerous_deserialization: bool = False,
        **unknown: Any,
    ) -> Self:
        """Open what :meth:`save_local` has written; nothing in it is a pickle.

        Args:
            folder_path: The directory.
            embeddings: What encodes. None: the model that the index names.
            index_name: As for :meth:`save_local`.
            allow_dangerous_deserialization: Without effect.
            **unknown: None is known.

        Raises:
            InputError: If ``FAISS`` has written the directory.
            YoutuError: As for ``YoutuVectorStore``.
        """
        refuse(unknown, "folder_path", "embeddings", "index_name", "allow_dangerous_deserialization")
        if Path(folder_path, f"{index_name}.faiss").exists():
            raise InputError(
                f"{brief(str(folder_path))} was written by FAISS, whose documents are a pickle: read it with "
                "FAISS.load_local once more, and add its documents to a new store, see docs/langchain.md"
            )
        return cls(_directory(folder_path, index_name), embedding=embeddings)

    def serialize_to_bytes(self) -> NoReturn:
        """Refuse.

        Raises:
            InputError: Which says what to do instead.
        """
        raise InputError(_NO_BYTES)

    @classmethod
    def deserialize_from_bytes(cls, *given: Any, **options: Any) -> NoReturn:
        """Refuse, as :meth:`serialize_to_bytes`."""
        raise InputError(_NO_BYTES)

    def merge_from(self, target: FaissCalls) -> None:
        """Add all documents of another store, with their vectors where its encoder is the same.

        Raises:
            InputError: If an id is in both.
        """
        if not isinstance(target, FaissCalls):
            raise InputError(f"target must be a {type(self).__name__}, not {type(target).__name__}")
        both = {*self.index.ids()}.intersection(target.index.ids())
        if both:
            raise InputError(
                f"{len(both)} ids are in both stores, such as {brief(min(both))}: delete them in one of them"
            )
        same = self.index.manifest.fingerprint == target.index.manifest.fingerprint
        _copy(target.index, self.index, vectors=same)

    # -- vectors -----------------------------------------------------------------------------------------

    def add_embeddings(
        self,
        text_embeddings: Iterable[tuple[str, list[float]]],
        metadatas: Sequence[dict[str, Any] | None] | None = None,
        ids: Sequence[str | None] | None = None,
        **unknown: Any,
    ) -> list[str]:
        """As ``add_texts``, for texts whose vectors are known, of any length but zero."""
        refuse(unknown, "ids")
        pairs = list(text_embeddings)
        vectors = [vector for _, vector in pairs] if pairs else None
        return self._add([text for text, _ in pairs], metadatas, ids, vectors)

    @classmethod
    def from_embeddings(
        cls,
        text_embeddings: Iterable[tuple[str, list[float]]],
        embedding: Embeddings,
        metadatas: Sequence[dict[str, Any] | None] | None = None,
        ids: Sequence[str | None] | None = None,
        *,
        path: str | Path | None = None,
        factory: str = "Flat",
        **unknown: Any,
    ) -> Self:
        """As ``from_texts``, for texts whose vectors are known."""
        refuse(unknown, "ids", "path", "factory")
        pairs = list(text_embeddings)
        vectors = [vector for _, vector in pairs] if pairs else None
        return cls._made(path, embedding, factory, ([text for text, _ in pairs], metadatas, ids, vectors))

    @classmethod
    async def afrom_embeddings(cls, *given: Any, **options: Any) -> Self:
        """As :meth:`from_embeddings`, without blocking the event loop."""
        return await asyncio.to_thread(cls.from_embeddings, *given, **options)

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, filter: Any = None, **options: Any
    ) -> Scored:
        """As ``similarity_search_with_score``, for a question's vector."""
        search = Search.of(k, {"filter": filter, **options}, dense_for=OF_VECTOR)
        return scored(search.near(self.index, embedding))

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, filter: Any = None, **options: Any
    ) -> Scored:
        """As :meth:`similarity_search_with_score_by_vector`, without blocking the event loop."""
        search = Search.of(k, {"filter": filter, **options}, dense_for=OF_VECTOR)
        return scored(await asyncio.to_thread(search.near, self.index, embedding))

    def max_marginal_relevance_search_with_score_by_vector(
        self,
        embedding: list[float],
        *,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **options: Any,
    ) -> list[tuple[Document, float]]:
        """As ``max_marginal_relevance_search_by_vector``, with cosines to the question."""
        search = Search.of(k, options, fetch_k=fetch_k, lambda_mult=lambda_mult, dense_for=OF_VARIETY)
        return scored(search.diverse(self.index, embedding))

    async def amax_marginal_relevance_search_with_score_by_vector(
        self, embedding: list[float], **options: Any
    ) -> list[tuple[Document, float]]:
        """As :meth:`max_marginal_relevance_search_with_score_by_vector`, without blocking the event loop."""
        call = self.max_marginal_relevance_search_with_score_by_vector
        return await asyncio.to_thread(call, embedding, **options)


def _directory(folder_path: str | Path, index_name: str) -> Path:
    return Path(folder_path) if index_name == "index" else Path(folder_path, index_name)


def _copy(source: VectorIndex, to: VectorIndex, *, vectors: bool) -> None:
    """Add all documents of one index to another, with what frameworks keep in them for themselves."""
    ids = source.ids()
    documents = [document for document in source.get(ids) if document is not None]
    to.add(
        [document.text for document in documents],
        [document.id for document in documents],
        [document.metadata for document in documents],
        vectors=source.vectors([document.id for document in documents]) if vectors and documents else None,
    )
