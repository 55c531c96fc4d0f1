"""Which store an end of a copy is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from youtu_st.errors import InputError, brief
from youtu_st.scale.copying.stores import Destination, Source


class _Both(Source, Destination, Protocol):
    """A store that is either end."""


FORMS = (
    "DIR, lancedb:PATH#table, milvus:FILE.db#collection, milvus:http://HOST:PORT#collection, "
    "qdrant:PATH#collection or qdrant:http://HOST:PORT#collection"
)


def open_source(end: str) -> Source:
    """The source of a copy.

    Args:
        end: As the user writes it, see :data:`FORMS`. A directory is a
            :class:`~youtu_st.index.VectorIndex` or a folder from ``youtu-st embed``.

    Raises:
        InputError: If it is none of these, or is not there.
        StoreError: If it cannot be opened, or was not written by a copy.
        IndexNotFoundError: If there is nothing in a directory.
    """
    made = _store(end)
    if made is None:
        from youtu_st.scale.job.names import JOB

        if (Path(end) / JOB).is_file():
            from youtu_st.scale.copying.job_store import JobStore

            source: Source = JobStore(end)
        else:
            from youtu_st.scale.copying.index_store import IndexStore

            source = IndexStore(end)
    else:
        source = made
    try:
        source.check_source()
    except BaseException:
        source.close()
        raise
    return source


def open_destination(end: str) -> Destination:
    """The destination of a copy, which may be there or not.

    Args:
        end: As for :func:`open_source`; a directory is, or becomes, an index.

    Raises:
        InputError: If it is none of these, or a name that the store does not take.
        StoreError: If it cannot be opened, or was not written by a copy.
    """
    made = _store(end)
    if made is not None:
        return made
    from youtu_st.scale.copying.index_store import IndexStore

    return IndexStore(end)


def _store(end: str) -> _Both | None:
    """A database's table or collection; None: a directory."""
    kind, colon, rest = end.partition(":")
    if not colon or kind not in _KINDS:
        if "://" in end or (colon and "#" in rest and os.sep not in kind and len(kind) > 1):
            raise InputError(f"{brief(end)} must be one of {FORMS}")
        return None
    place, hash, name = rest.rpartition("#")
    if not hash or not place or not name:
        raise InputError(f"{brief(end)} must name a place and, behind #, a table or collection: {FORMS}")
    return _KINDS[kind](place, name)


def _lance(path: str, table: str) -> _Both:
    from youtu_st.scale.copying.lance import LanceTable

    return LanceTable(path, table)


def _milvus(address: str, collection: str) -> _Both:
    from youtu_st.scale.copying.milvus import MilvusCollection

    return MilvusCollection(address, collection)


def _qdrant(address: str, collection: str) -> _Both:
    from youtu_st.scale.copying.qdrant import QdrantCollection

    return QdrantCollection(address, collection)


_KINDS: dict[str, Callable[[str, str], _Both]] = {"lancedb": _lance, "milvus": _milvus, "qdrant": _qdrant}
