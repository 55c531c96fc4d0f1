"""LangChain's indexing API over YoutuVectorStore: counts, and what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from tiny import TinyEncoder

from langchain_youtu import YoutuVectorStore


def passage(text: str, source: str) -> Document:
    return Document(page_content=text, metadata={"source": source})


FIRST = [passage("a one", "a"), passage("a two", "a"), passage("b one", "b"), passage("c one", "c")]
# "a one" is as it was, "a two" was changed, "b one" is gone with its source, "c" is left out, "d" is new.
SECOND = [passage("a one", "a"), passage("a 2", "a"), passage("d one", "d"), passage("d one", "d")]
LEFT = {
    None: {"a one", "a two", "a 2", "b one", "c one", "d one"},
    "incremental": {"a one", "a 2", "b one", "c one", "d one"},
    "scoped_full": {"a one", "a 2", "b one", "c one", "d one"},
    "full": {"a one", "a 2", "d one"},
}
DELETED = {None: 0, "incremental": 1, "scoped_full": 1, "full": 3}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[YoutuVectorStore]:
    with YoutuVectorStore.create(tmp_path / "index", encoder=TinyEncoder()) as store:
        yield store


@pytest.fixture
def records() -> InMemoryRecordManager:
    manager = InMemoryRecordManager(namespace="test")
    manager.create_schema()
    return manager


def counts(added: int, updated: int, skipped: int, deleted: int) -> dict[str, int]:
    return {"num_added": added, "num_updated": updated, "num_skipped": skipped, "num_deleted": deleted}


def texts(store: YoutuVectorStore) -> set[str]:
    return {one.page_content for one in store.get_by_ids(store.index.ids())}


@pytest.mark.parametrize("batch_size", [2, 100])
@pytest.mark.parametrize("cleanup", [None, "incremental", "scoped_full", "full"])
def test_indexing_twice(
    store: YoutuVectorStore, records: InMemoryRecordManager, cleanup: str | None, batch_size: int
) -> None:
    def run(documents: list[Document], *, force: bool = False) -> dict[str, int]:
        return dict(
            index(
                documents,
                records,
                store,
                cleanup=cleanup,
                source_id_key="source",
                batch_size=batch_size,
                key_encoder="sha256",
                force_update=force,
            )
        )

    assert run(FIRST) == counts(4, 0, 0, 0)
    ids = {one.page_content: one.id for one in store.get_by_ids(store.index.ids())}
    assert set(ids) == {one.page_content for one in FIRST}
    assert run(FIRST) == counts(0, 0, 4, 0)
    assert run(SECOND) == counts(2, 0, 2, DELETED[cleanup])
    assert texts(store) == LEFT[cleanup]
    assert {one.id for one in store.get_by_ids(store.index.ids())} == set(records.list_keys())
    assert store.similarity_search("a one", k=1)[0].id == ids["a one"]
    assert run(SECOND, force=True) == counts(0, 3, 1, 0)
    assert texts(store) == LEFT[cleanup]


def test_full_cleanup_with_nothing_left_empties_the_store(
    store: YoutuVectorStore, records: InMemoryRecordManager
) -> None:
    index(FIRST, records, store, cleanup="full", source_id_key="source", key_encoder="sha256")
    result = index([], records, store, cleanup="full", source_id_key="source", key_encoder="sha256")
    assert (dict(result), len(store.index)) == (counts(0, 0, 0, 4), 0)


def test_asynchronous_indexing(store: YoutuVectorStore, records: InMemoryRecordManager) -> None:
    async def run(documents: list[Document]) -> dict[str, int]:
        return dict(
            await aindex(
                documents, records, store, cleanup="full", source_id_key="source", key_encoder="sha256"
            )
        )

    assert asyncio.run(run(FIRST)) == counts(4, 0, 0, 0)
    assert asyncio.run(run(SECOND)) == counts(2, 0, 2, 3)
    assert texts(store) == LEFT["full"]
