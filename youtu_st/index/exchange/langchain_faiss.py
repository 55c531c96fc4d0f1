"""A folder that LangChain's FAISS store was saved to: ``index.faiss``, and the documents in a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from youtu_st.errors import InputError, brief, printable
from youtu_st.index.exchange.faiss_file import read_vectors
from youtu_st.index.exchange.held import Held, of_kind, placed, read_file
from youtu_st.index.exchange.pickles import Inert, read_pickle
from youtu_st.index.exchange.plain import Copier
from youtu_st.index.exchange.rows import Part

KIND = "a FAISS folder of LangChain"
_STORES = {
    ("langchain_community.docstore.in_memory", "InMemoryDocstore"),
    ("langchain.docstore.in_memory", "InMemoryDocstore"),
    ("langchain_classic.docstore.in_memory", "InMemoryDocstore"),
}
_DOCUMENTS = {
    ("langchain_core.documents.base", "Document"),
    ("langchain.schema.document", "Document"),
    ("langchain.schema", "Document"),
    ("langchain.docstore.document", "Document"),
}
CLASSES = frozenset(_STORES | _DOCUMENTS)
_REPEATED = 256
"""How often, on average, a pickle may name what it holds: parts of a document share its metadata."""


def open_langchain(folder: Path, name: str, *, vectors: bool) -> Held:
    """Read such a folder; nothing in the pickle is run.

    Args:
        folder: The folder.
        name: What its files are called, before the dot.
        vectors: Whether the vectors are wanted.

    Raises:
        InputError: If a file is not what LangChain writes: the message names it.
    """
    pickle = folder / f"{name}.pkl"
    data = read_file(pickle)
    try:
        ids, texts, metadata = _documents(read_pickle(data, CLASSES), len(data))
    except InputError as error:
        raise InputError(f"{printable(str(pickle))}: {error}") from error
    del data
    if not vectors:
        return Held(str(folder), KIND, Part(list(ids.values()), texts, metadata, None))
    stored = read_vectors(folder / f"{name}.faiss").vectors
    places = list(ids)
    if sorted(places) != list(range(len(stored))):
        raise InputError(
            f"{printable(str(folder))}: {name}.faiss has {len(stored):,} vectors, and {name}.pkl has "
            f"{len(places):,} documents that do not go with them one by one"
        )
    return Held(str(folder), KIND, Part(list(ids.values()), texts, metadata, placed(stored, places)))


def _documents(loaded: Any, size: int) -> tuple[dict[int, str], list[Any], list[dict[str, Any]]]:
    """Ids by the places of their vectors, and, in the same order, texts and metadata."""
    store, places = loaded if type(loaded) is tuple and len(loaded) == 2 else (None, None)
    if not isinstance(store, Inert) or store.kind not in _STORES or type(places) is not dict:
        raise InputError("it holds no store of documents and their places, as LangChain writes them")
    kept = of_kind(of_kind(store.state, dict, "its store").get("_dict"), dict, "its documents")
    copier = Copier((64 << 20) + _REPEATED * size)
    ids: dict[int, str] = {}
    texts, metadata = [], []
    for place, id in places.items():
        document = kept.get(id) if type(id) is str else None
        if type(place) is not int or not isinstance(document, Inert) or document.kind not in _DOCUMENTS:
            raise InputError(f"there is no document for vector {brief(place)}, whose id is {brief(id)}")
        fields = _fields(document, id)
        ids[place] = id
        texts.append(copier.copy(fields.get("page_content")))
        metadata.append(of_kind(_copied(copier, fields.get("metadata", {}), id), dict, "metadata"))
    return ids, texts, metadata


def _fields(document: Inert, id: str) -> dict[str, Any]:
    """The fields of a document, whichever pydantic it was."""
    state = document.state
    fields = state.get("__dict__", state) if type(state) is dict else None
    if type(fields) is not dict:
        raise InputError(f"document {brief(id)} has no fields")
    return fields


def _copied(copier: Copier, metadata: Any, id: str) -> Any:
    try:
        return copier.copy(metadata)
    except InputError as error:
        raise InputError(f"the metadata of document {brief(id)}: {error}") from error
