"""YoutuVectorStore: a :class:`youtu_st.index.VectorIndex` as LangChain's ``VectorStore``."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from typing_extensions import Self

from langchain_youtu.document_calls import DocumentCalls
from langchain_youtu.documents import langchain_document, refuse_records, refuse_twice
from langchain_youtu.encoders import EmbeddingsEncoder, embedding_for, encoder_for, one_of
from langchain_youtu.faiss_calls import FaissCalls
from langchain_youtu.search_calls import SearchCalls
from langchain_youtu.searches import refuse
from youtu_st.errors import InputError
from youtu_st.frameworks.store import opened
from youtu_st.index import VectorIndex
from youtu_st.protocol import TextEncoder


class YoutuVectorStore(FaissCalls, SearchCalls, DocumentCalls):
    """Documents in a :class:`~youtu_st.index.VectorIndex`: on disk, found by cosine, without pickle.

    Every search takes ``filter`` (a dictionary, see ``docs/index-format.md``, or a function of a document's
    metadata) and ``score_threshold``, the least relevance from 0 to 1, where relevance is (1 + cosine) / 2.
    Any other keyword is a ``TypeError``, but for ``fetch_k``, which means something to
    ``max_marginal_relevance_search`` only.

        >>> store = YoutuVectorStore.create("planets", encoder=encoder)
        >>> ids = store.add_texts(["Mars is red.", "Venus is hot."], [{"n": 4}, {"n": 2}])
        >>> store.similarity_search("Which planet is red?", k=1, filter={"n": {"$gt": 1}})

    Args:
        index: An open index, or the directory of one.
        encoder: What opens the directory. Default: the model that its manifest names.
        embedding: Any LangChain ``Embeddings`` instead; it also encodes the questions. Documents are always
            encoded by the index's encoder, and for an open index the two must agree.
        **unknown: None is known.

    Raises:
        InputError: If both are given, or one is not what it should be.
        IndexNotFoundError: If there is no index in the directory: see :meth:`create`.
        IndexMismatchError: If the index was built with another encoder.
        YoutuError: As for :meth:`youtu_st.index.VectorIndex.open`.
    """

    def __init__(
        self,
        index: VectorIndex | str | Path,
        *,
        encoder: TextEncoder | None = None,
        embedding: Embeddings | None = None,
        **unknown: Any,
    ) -> None:
        refuse(unknown, "index", "encoder", "embedding")
        embedding = one_of(encoder, embedding)
        wanted = None if embedding is None else encoder_for(embedding)
        self._index = opened(index, wanted)
        if self._index is not index and isinstance(wanted, EmbeddingsEncoder):
            try:
                self._index.check(wanted)  # its name says little of its vectors
            except BaseException:
                self._index.close()
                raise
        self._embedding = embedding_for(self._index.encoder) if embedding is None else embedding
        self._remove: weakref.finalize[..., Self] | None = None  # of what is temporary

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        encoder: TextEncoder | None = None,
        embedding: Embeddings | None = None,
        factory: str = "Flat",
        lexical: bool = True,
    ) -> Self:
        """Make an empty index in a new or empty directory.

        Args:
            path: The directory.
            encoder: What encodes, or
            embedding: any LangChain ``Embeddings``.
            factory: A FAISS factory string, see :meth:`youtu_st.index.VectorIndex.create`.
            lexical: Whether documents can be found by their words too.

        Raises:
            InputError: If neither or both of ``encoder`` and ``embedding`` are given.
            IndexExistsError: If the directory holds anything.
        """
        embedding = one_of(encoder, embedding)
        if embedding is None:
            raise InputError("a new index needs encoder=, or embedding=, such as YoutuEmbeddings()")
        index = VectorIndex.create(path, encoder_for(embedding), factory, lexical=lexical)
        return cls(index, embedding=embedding)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings,
        metadatas: Sequence[dict[str, Any] | None] | None = None,
        ids: Sequence[str | None] | None = None,
        *,
        path: str | Path | None = None,
        factory: str = "Flat",
        **unknown: Any,
    ) -> Self:
        """Make an index of some texts; an error leaves nothing behind.

        Args:
            texts: As for :meth:`add_texts`, and so are ``metadatas`` and ``ids``.
            embedding: Any LangChain ``Embeddings``.
            metadatas: A dictionary for each text.
            ids: An id for each text.
            path: A new or empty directory. None: a temporary one, which is removed when the store is closed,
                when nothing refers to it any more, or when the process ends.
            factory: A FAISS factory string.
            **unknown: None is known.

        Raises:
            YoutuError: As for :meth:`create` and :meth:`add_texts`.
            TypeError: For an unknown keyword.
        """
        refuse(unknown, "ids", "path", "factory")
        return cls._made(path, embedding, factory, (texts, metadatas, ids, None))

    @classmethod
    def _made(
        cls, path: str | Path | None, embedding: Embeddings, factory: str, documents: tuple[Any, ...]
    ) -> Self:
        """A store over a new index of some documents, the arguments of :meth:`_add`."""
        with ExitStack() as undo:  # on any error
            if path is None:
                where = undo.enter_context(tempfile.TemporaryDirectory(prefix="youtu-index-"))
            store = cls.create(where if path is None else path, embedding=embedding, factory=factory)
            if path is not None:
                undo.callback(shutil.rmtree, path)  # it was vacant: all of it was made here
            undo.callback(store.index.close)
            store._add(*documents)
            undone = undo.pop_all()
        if path is None:
            store._remove = weakref.finalize(store, undone.close)
        return store

    @property
    def index(self) -> VectorIndex:
        """The index."""
        return self._index

    @property
    def embeddings(self) -> Embeddings:
        """What encodes the questions."""
        return self._embedding

    def close(self) -> None:
        """Close the index, also one that was handed in open; a temporary one is removed."""
        self._index.close()
        if self._remove is not None:
            self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._index!r}, {type(self._embedding).__name__})"

    # -- documents ---------------------------------------------------------------------------------------

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[dict[str, Any] | None] | None = None,
        ids: Sequence[str | None] | None = None,
        *,
        batch_size: int | None = None,
        current_time: Any = None,
        **unknown: Any,
    ) -> list[str]:
        """Add texts, all or none of them, unaltered. A text with an id that is there replaces its document.

        Args:
            texts: None may be blank.
            metadatas: A dictionary of JSON values and times for each.
            ids: An id for each; one is made where it is None.
            batch_size: Taken, since LangChain's indexing passes it, and without effect: encoders plan their
                own batches.
            current_time: Taken, since LangChain's time-weighted retriever passes on what it is given, and
                without effect.
            **unknown: None is known.

        Returns:
            The id of each text.

        Raises:
            InputError: If an argument is wrong: the message has the position.
            IndexLockedError: If another object or process is writing to the index.
            TypeError: For an unknown keyword.
        """
        refuse(unknown, "ids", "batch_size")
        return self._add(texts, metadatas, ids, None)

    def _add(self, texts: Any, metadatas: Any, ids: Any, vectors: Any) -> list[str]:
        if isinstance(metadatas, list | tuple):
            refuse_records(metadatas)
        if isinstance(ids, list | tuple):  # what else may be wrong with them the index knows
            refuse_twice(ids)
            ids = [uuid.uuid4().hex if id is None else id for id in ids]
        return self._index.add(texts, ids, metadatas, vectors=vectors)

    def delete(self, ids: Sequence[str] | None = None, **unknown: Any) -> bool:
        """Delete documents; unknown ids are not an error.

        Args:
            ids: Which; None, as LangChain has it, is all of them.
            **unknown: None is known.

        Returns:
            True.
        """
        refuse(unknown, "ids")
        self._index.delete(self._index.ids() if ids is None else ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents that there are, in the order of their ids."""
        return [langchain_document(stored) for stored in self._index.get(ids) if stored is not None]
