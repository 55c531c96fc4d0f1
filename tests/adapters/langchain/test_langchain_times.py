"""Times in metadata: LangChain's time-weighted retriever over the store, and what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from langchain_classic.retrievers import TimeWeightedVectorStoreRetriever
from langchain_core.documents import Document
from tiny import TinyEncoder

from langchain_youtu import YoutuVectorStore

NOW = datetime.now()
OLD, NEW = NOW - timedelta(days=400), NOW - timedelta(seconds=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[YoutuVectorStore]:
    with YoutuVectorStore.create(tmp_path / "index", encoder=TinyEncoder()) as store:
        yield store


def memories() -> list[Document]:
    return [
        Document(page_content="hello world", id="old", metadata={"last_accessed_at": OLD}),
        Document(page_content="hello foo", id="new", metadata={"last_accessed_at": NEW}),
    ]


def retriever(store: YoutuVectorStore, **options: Any) -> TimeWeightedVectorStoreRetriever:
    return TimeWeightedVectorStoreRetriever(vectorstore=store, **options)


def test_what_was_used_lately_comes_first_where_memory_fades(store: YoutuVectorStore) -> None:
    fading, lasting = retriever(store, decay_rate=0.9, k=1), retriever(store, decay_rate=1e-12, k=1)
    assert fading.add_documents(memories()) == ["old", "new"]
    lasting.memory_stream = [one.model_copy(deep=True) for one in fading.memory_stream]
    assert [one.id for one in fading.invoke("hello world")] == ["new"]
    assert [one.id for one in lasting.invoke("hello world")] == ["old"]
    assert [one.id for one in asyncio.run(lasting.ainvoke("hello foo"))] == ["new"]
    assert store.get_by_ids(["old"])[0].metadata["last_accessed_at"] == OLD


def test_what_it_is_told_of_the_time_goes_through(store: YoutuVectorStore) -> None:
    timed = retriever(store)
    timed.add_documents([Document(page_content="a", id="a")], current_time=OLD)
    asyncio.run(timed.aadd_documents([Document(page_content="b", id="b")], current_time=NEW))
    kept = {one.id: one.metadata for one in store.get_by_ids(["a", "b"])}
    assert kept["a"] == {"last_accessed_at": OLD, "created_at": OLD, "buffer_idx": 0}
    assert kept["b"] == {"last_accessed_at": NEW, "created_at": NEW, "buffer_idx": 1}


def test_after_a_restart_the_stream_is_read_from_the_store(store: YoutuVectorStore) -> None:
    retriever(store).add_documents(memories())
    store.close()
    with YoutuVectorStore(store.index.path, encoder=TinyEncoder()) as again:
        stream = sorted(again.docstore._dict.values(), key=lambda one: one.metadata["buffer_idx"])
        timed = retriever(again, decay_rate=0.9, k=2, memory_stream=stream)
        assert [one.id for one in timed.invoke("hello world")] == ["new", "old"]
        assert all(one.metadata["last_accessed_at"] > NOW for one in timed.memory_stream)


def test_times_come_back_as_they_were_and_are_compared_as_times(store: YoutuVectorStore) -> None:
    zone = timezone(timedelta(hours=8))
    records: list[dict[str, Any]] = [
        {"at": datetime(2024, 5, 1, 8, tzinfo=zone), "said": "2024-05-01T00:00:00+00:00"},
        {"at": datetime(2024, 5, 1, 1), "days": [date(2024, 5, 1), "2024-05-02"]},
        {"at": date(2024, 5, 2)},
    ]
    store.add_texts(["a", "b", "c"], records, ["a", "b", "c"])
    assert [one.metadata for one in store.get_by_ids(["a", "b", "c"])] == records
    midnight = datetime(2024, 5, 1, tzinfo=timezone.utc)

    def found(filter: Any) -> set[str | None]:
        return {one.id for one in store.similarity_search("a", 9, filter=filter)}

    assert found({"at": midnight}) == {"a"}
    assert found({"at": {"$neq": midnight}}) == {"b", "c"}
    assert found({"at": {"$gt": midnight}}) == {"b", "c"}
    assert found({"at": [midnight, date(2024, 5, 2)]}) == {"a", "c"}
    assert found({"days": date(2024, 5, 2)}) == {"b"}
    assert found(lambda metadata: isinstance(metadata["at"], datetime)) == {"a", "b"}
    assert found({"at": "2024-05-02"}) == {"c"}  # a str is a str


def test_copies_keep_times(tmp_path: Path, store: YoutuVectorStore) -> None:
    store.add_documents(memories())
    store.save_local(tmp_path / "copy")
    with YoutuVectorStore.load_local(tmp_path / "copy", store.embeddings) as copy:
        assert copy.get_by_ids(["old", "new"]) == memories()
        copy.delete(["old"])
        store.delete(["new"])
        copy.merge_from(store)
        assert copy.get_by_ids(["old", "new"]) == memories()
