"""Stored documents as LangChain's, and what LangChain's may hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.documents import Document

from youtu_st.errors import InputError, brief
from youtu_st.index import Document as StoredDocument
from youtu_st.index import Hit, as_given, is_record

Scored = list[tuple[Document, float]]


def langchain_document(stored: Hit | StoredDocument) -> Document:
    """A stored document as LangChain's; what other frameworks keep in it for themselves is left out."""
    return Document(id=stored.id, page_content=stored.text, metadata=as_given(stored.metadata))


def scored(hits: list[Hit]) -> Scored:
    """The documents found, with their cosines."""
    return [(langchain_document(hit), hit.score) for hit in hits]


def check_documents(documents: Iterable[Document]) -> list[Document]:
    """The documents as a list, if that is what they are.

    Raises:
        InputError: Naming the position of what is none.
    """
    if isinstance(documents, str | bytes | Document) or not isinstance(documents, Iterable):
        raise InputError(f"documents must be a list of Document, not one {type(documents).__name__}")
    listed = list(documents)
    for position, one in enumerate(listed):
        if not isinstance(one, Document):
            raise InputError(f"document {position} must be a LangChain Document, not {type(one).__name__}")
    return listed


def refuse_records(metadatas: Sequence[dict[str, Any] | None]) -> None:
    """Refuse metadata that would be stored, and left out where the document is read.

    Raises:
        InputError: Naming the position and the key.
    """
    for position, metadata in enumerate(metadatas):
        names = [name for name in metadata or () if isinstance(name, str) and is_record(name)]
        if names:
            raise InputError(
                f"metadata {position} has the key {names[0]!r}: a key between two and two underscores is a "
                "framework's own, and is not given back; choose another name"
            )


def refuse_twice(ids: Sequence[str | None]) -> None:
    """Refuse an id that comes twice in one call, as ``FAISS`` does: one of its texts would be lost.

    Raises:
        InputError: Naming the id and its positions.
    """
    first: dict[str, int] = {}
    for position, id in enumerate(ids):
        if isinstance(id, str) and first.setdefault(id, position) != position:
            raise InputError(
                f"Duplicate ids found in the ids list. {brief(id)} is at positions {first[id]} and {position}"
            )
