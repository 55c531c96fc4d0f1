"""What code written for ``FAISS`` reads beside its searches: the documents, as a docstore has them."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from itertools import islice
from typing import NoReturn

from langchain_core.documents import Document

from langchain_youtu.documents import langchain_document
from youtu_st.errors import InputError
from youtu_st.index import VectorIndex

_AT_ONCE = 1_000


class StoredDocuments(Mapping[str, Document]):
    """The documents of an index by their ids, read when they are asked for; nothing can be put in."""

    def __init__(self, index: VectorIndex) -> None:
        self._index = index

    def __getitem__(self, id: str) -> Document:
        (found,) = self._index.get([id]) if isinstance(id, str) else [None]
        if found is None:
            raise KeyError(id)
        return langchain_document(found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._index.ids())

    def __len__(self) -> int:
        return len(self._index)

    def items(self) -> ItemsView[str, Document]:
        """Ids and documents, read a thousand at a time."""
        return _Items(self)

    def values(self) -> ValuesView[Document]:
        """The documents, likewise."""
        return _Values(self)

    def pairs(self) -> Iterator[tuple[str, Document]]:
        """Each id and its document, in the order they were added."""
        ids = iter(self)
        while some := list(islice(ids, _AT_ONCE)):
            for found in self._index.get(some):
                if found is not None:  # deleted meanwhile
                    yield found.id, langchain_document(found)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._index!r})"


class _Items(ItemsView[str, Document]):
    _mapping: StoredDocuments

    def __iter__(self) -> Iterator[tuple[str, Document]]:
        return self._mapping.pairs()


class _Values(ValuesView[Document]):
    _mapping: StoredDocuments

    def __iter__(self) -> Iterator[Document]:
        return (document for _, document in self._mapping.pairs())


class Docstore:
    """A view of an index with the methods of langchain-community's ``InMemoryDocstore``.

    ``docstore._dict``, by which people read all of one, is a mapping of the documents as they are now.
    """

    def __init__(self, index: VectorIndex) -> None:
        self._dict = StoredDocuments(index)

    def search(self, search: str) -> Document | str:
        """The document with an id, or a sentence that there is none, as docstores have it."""
        return self._dict.get(search, f"ID {search} not found.")

    def add(self, texts: Mapping[str, Document]) -> NoReturn:
        """Refuse.

        Raises:
            InputError: Which says what to do instead.
        """
        raise InputError("a document is stored with its vector: use store.add_documents")

    def delete(self, ids: list[str]) -> NoReturn:
        """Refuse, as :meth:`add`."""
        raise InputError("a document is deleted with its vector: use store.delete(ids)")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._dict)} documents)"
