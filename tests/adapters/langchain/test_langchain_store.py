"""YoutuVectorStore: opening, documents, and what is on disk. Searches have a file of their own."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from tiny import TinyEncoder

from langchain_youtu import YoutuEmbeddings, YoutuVectorStore
from youtu_st.errors import (
    IndexExistsError,
    IndexLockedError,
    IndexMismatchError,
    IndexNotFoundError,
    InputError,
    VectorIndexError,
)
from youtu_st.index import Document as StoredDocument
from youtu_st.index import VectorIndex

TEXTS = ["  Mars is red.\n\nIt is cold.\t", "Venus is hot.", "金星很热。"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def encoder() -> TinyEncoder:
    return TinyEncoder()


@pytest.fixture
def store(path: Path, encoder: TinyEncoder) -> Iterator[YoutuVectorStore]:
    with YoutuVectorStore.create(path, encoder=encoder) as store:
        yield store


# -- documents -------------------------------------------------------------------------------------------


def test_texts_come_back_unaltered(store: YoutuVectorStore) -> None:
    metadata: list[dict[str, Any] | None] = [{"n": 1, "tags": ["a", {"b": None}]}, None, {"语言": "中文"}]
    assert store.add_texts(TEXTS, metadata, ids=["a", "b", "c"]) == ["a", "b", "c"]
    assert store.get_by_ids(["c", "nope", "a"]) == [
        Document(id="c", page_content=TEXTS[2], metadata={"语言": "中文"}),
        Document(id="a", page_content=TEXTS[0], metadata={"n": 1, "tags": ["a", {"b": None}]}),
    ]
    assert store.similarity_search(TEXTS[0], k=1) == store.get_by_ids(["a"])


def test_ids_are_made_where_a_document_has_none(store: YoutuVectorStore) -> None:
    documents = [
        Document(id="a", page_content="one"),
        Document(page_content="two"),
        Document(page_content="three"),
    ]
    a, b, c = store.add_documents(documents)
    assert (a, len(b), len(c), len({a, b, c})) == ("a", 32, 32, 3)
    assert [one.page_content for one in store.get_by_ids([c, b, a])] == ["three", "two", "one"]
    assert [one.id for one in documents] == ["a", None, None]
    d, e = store.add_texts(["four", "five"], ids=[None, "e"])
    assert (store.get_by_ids([d])[0].page_content, e) == ("four", "e")
    assert len(store.index) == 5
    assert len(set(store.add_texts(["six", "six"]))) == 2


def test_the_same_id_replaces(store: YoutuVectorStore) -> None:
    store.add_texts(["old", "other"], [{"v": 1}, {}], ids=["a", "b"])
    store.add_documents([Document(id="ignored", page_content="new", metadata={"v": 2})], ids=["a"])
    assert store.get_by_ids(["a", "ignored"]) == [Document(id="a", page_content="new", metadata={"v": 2})]
    assert {one.page_content for one in store.similarity_search("old", k=9)} == {"new", "other"}


def test_delete(store: YoutuVectorStore) -> None:
    store.add_texts(["one", "two", "three"], ids=["a", "b", "c"])
    assert store.delete(["a", "nope"]) is True
    assert store.index.ids() == ["b", "c"]
    assert store.delete([]) is True
    assert store.index.ids() == ["b", "c"]
    assert asyncio.run(store.adelete()) is True
    assert (store.index.ids(), store.similarity_search("two")) == ([], [])


def test_records_of_other_frameworks_are_not_shown_and_not_taken(store: YoutuVectorStore) -> None:
    store.index.add(["one"], ["a"], [{"lang": "en", "__llama_index__": {"type": "TextNode"}}])
    shown = [Document(id="a", page_content="one", metadata={"lang": "en"})]
    assert store.get_by_ids(["a"]) == store.similarity_search("one") == shown
    assert store.max_marginal_relevance_search("one") == shown
    with pytest.raises(InputError, match="metadata 1 has the key '__x__'"):
        store.add_texts(["b", "c"], [{}, {"y": 1, "__x__": 2}])
    assert store.index.get(["a"]) == [
        StoredDocument("a", "one", {"lang": "en", "__llama_index__": {"type": "TextNode"}})
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a", " "],), "text 1 is blank"),
        ((["a", "b"], [{}]), "metadata must have an entry for each of 2 texts, not 1"),
        ((["a", "b"], [{}, "x"]), "metadata 1 must be a dictionary, not 'x'"),
        ((["a"], [{"x": {1}}]), "must be a str, a number, .*of type set"),
        ((["a"], {"x": 1}), "one dictionary for each text"),
    ],
)
def test_wrong_documents_are_refused(store: YoutuVectorStore, arguments: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        store.add_texts(*arguments)
    with pytest.raises(InputError, match=r"pass \[id\]"):
        store.add_texts(["a"], ids="a")
    with pytest.raises(InputError, match=r"pass \[id\]"):
        store.delete("a")
    assert len(store.index) == 0


def test_unknown_keywords_are_refused(store: YoutuVectorStore, path: Path) -> None:
    with pytest.raises(TypeError, match="unknown keyword 'chunk': allowed here are ids, batch_size"):
        store.add_texts(["a"], chunk=3)
    with pytest.raises(TypeError, match="'where'"):
        store.delete(where={})
    with pytest.raises(TypeError, match="'chunk', 'size': allowed here are ids, path, factory"):
        YoutuVectorStore.from_texts(["a"], store.embeddings, chunk=3, size=1, path=path / "other")
    assert store.add_documents([Document(page_content="a")], ids=["a"], batch_size=7) == ["a"]
    assert not (path / "other").exists()


# -- opening ---------------------------------------------------------------------------------------------


def test_what_was_added_is_there_when_opened_again(path: Path, encoder: TinyEncoder) -> None:
    with YoutuVectorStore.create(path, encoder=encoder, factory="HNSW8") as store:
        store.add_texts(TEXTS, [{"n": i} for i in range(3)], ids=["a", "b", "c"])
        store.delete(["b"])
        before = store.similarity_search_with_score("Mars", k=3)
        assert store.index.manifest.factory == "HNSW8"
    for how in ({"encoder": encoder}, {"embedding": YoutuEmbeddings(encoder=TinyEncoder())}):
        with YoutuVectorStore(str(path), **how) as store:
            assert store.similarity_search_with_score("Mars", k=3) == before
            assert store.get_by_ids(["a", "b"]) == [
                Document(id="a", page_content=TEXTS[0], metadata={"n": 0})
            ]


def test_an_open_index_is_taken_as_it_is(path: Path, encoder: TinyEncoder) -> None:
    index = VectorIndex.create(path, encoder)
    encoder.encoded.clear()
    with YoutuVectorStore(index) as store:
        assert store.index is index
        assert isinstance(store.embeddings, YoutuEmbeddings)
        assert store.embeddings.encoder is encoder
        assert encoder.encoded == []  # nothing to compare
        other = YoutuVectorStore(index, embedding=store.embeddings)
        assert (other.embeddings, encoder.encoded) == (store.embeddings, [])
    with pytest.raises(VectorIndexError, match="is closed"):
        index.search("x")
    assert repr(store) == f"YoutuVectorStore({index!r}, YoutuEmbeddings)"


def test_without_an_encoder_the_manifest_says_which_model(path: Path) -> None:
    """With a real model, which has no query prompt: a stored text finds itself with relevance 1."""
    embedding = YoutuEmbeddings(model="minilm")
    with YoutuVectorStore.from_texts(TEXTS, embedding, ids=["a", "b", "c"], path=path) as store:
        assert store.index.encoder is embedding.encoder
    with YoutuVectorStore(path) as store:
        assert store.index.encoder is embedding.encoder  # shared by the process
        for id, text in zip("abc", TEXTS, strict=True):
            ((document, relevance),) = store.similarity_search_with_relevance_scores(text, k=1)
            assert (document.id, document.page_content) == (id, text)
            assert relevance == pytest.approx(1, abs=1e-3)


def test_a_missing_directory_is_not_made(path: Path, encoder: TinyEncoder) -> None:
    ways: list[dict[str, Any]] = [
        {},
        {"encoder": encoder},
        {"embedding": DeterministicFakeEmbedding(size=16)},
    ]
    for how in ways:
        with pytest.raises(IndexNotFoundError, match="there is no index in"):
            YoutuVectorStore(path, **how)
    assert not path.exists()


def test_another_encoder_is_refused(path: Path, encoder: TinyEncoder) -> None:
    YoutuVectorStore.create(path, encoder=encoder).close()
    with pytest.raises(IndexMismatchError, match="weights: index has tiny, encoder has other"):
        YoutuVectorStore(path, encoder=TinyEncoder(name="other"))
    with pytest.raises(IndexMismatchError, match="embeddings: index has none, encoder has DeterministicFake"):
        YoutuVectorStore(path, embedding=DeterministicFakeEmbedding(size=16))
    with VectorIndex.open(path, encoder) as index:
        with pytest.raises(IndexMismatchError, match="document probes: lowest cosine"):
            YoutuVectorStore(index, embedding=DeterministicFakeEmbedding(size=16))
        with pytest.raises(IndexMismatchError, match="dimension: index has 16, encoder has 6"):
            YoutuVectorStore(index, embedding=DeterministicFakeEmbedding(size=6))
        with pytest.raises(IndexMismatchError, match="document probes"):
            YoutuVectorStore(index, encoder=TinyEncoder(noise=0.01))
        # The index is still the user's, and open.
        assert YoutuVectorStore(index, encoder=TinyEncoder(noise=0.0005)).similarity_search("x") == []


def test_locked_by_another_store(path: Path, encoder: TinyEncoder) -> None:
    first, second = (
        YoutuVectorStore.create(path, encoder=encoder),
        YoutuVectorStore(path, encoder=TinyEncoder()),
    )
    first.add_texts(["one"], ids=["a"])
    with pytest.raises(IndexLockedError, match="being written by another"):
        second.add_texts(["two"])
    with pytest.raises(IndexLockedError):
        second.delete(["a"])
    assert [one.id for one in second.similarity_search("one")] == ["a"]  # reading goes on
    first.close()
    assert second.add_texts(["two"], ids=["b"]) == ["b"]
    second.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": TinyEncoder(), "embedding": DeterministicFakeEmbedding(size=16)}, "pass one of them"),
        ({"encoder": "minilm"}, "encoder must be an Encoder"),
        ({"embedding": TinyEncoder()}, "must be a LangChain Embeddings, not TinyEncoder.*encoder="),
    ],
)
def test_wrong_arguments(path: Path, encoder: TinyEncoder, arguments: dict[str, Any], message: str) -> None:
    with VectorIndex.create(path, encoder) as index:
        for where in (index, path):
            with pytest.raises(InputError, match=message):
                YoutuVectorStore(where, **arguments)
    with pytest.raises(InputError, match=message):
        YoutuVectorStore.create(path.with_name("new"), **arguments)
    assert not path.with_name("new").exists()


def test_more_wrong_arguments(path: Path, encoder: TinyEncoder) -> None:
    with pytest.raises(InputError, match=r"needs encoder=, or embedding="):
        YoutuVectorStore.create(path)
    with pytest.raises(InputError, match="not DeterministicFakeEmbedding.*YoutuVectorStore.create"):
        YoutuVectorStore(DeterministicFakeEmbedding(size=16))  # type: ignore[arg-type]  # wrong on purpose
    YoutuVectorStore.create(path, encoder=encoder).close()
    with pytest.raises(IndexExistsError, match="holds an index already"):
        YoutuVectorStore.create(path, encoder=encoder)


# -- from texts ------------------------------------------------------------------------------------------


def test_from_documents_at_a_path(path: Path, encoder: TinyEncoder) -> None:
    embedding = YoutuEmbeddings(encoder=encoder)
    documents = [Document(id="a", page_content="one", metadata={"n": 1}), Document(page_content="two")]
    with YoutuVectorStore.from_documents(documents, embedding, path=path, factory="SQfp16") as store:
        assert (store.index.path, store.index.manifest.factory) == (path, "SQfp16")
        assert store.embeddings is embedding
        assert store.get_by_ids(["a"]) == documents[:1]
        assert len(store.index) == 2
    assert (path / "manifest.json").exists()
    with pytest.raises(IndexExistsError):
        YoutuVectorStore.from_texts(["x"], embedding, path=path)
    again = YoutuVectorStore(path, embedding=embedding)
    assert len(again.index) == 2
    again.close()


def test_an_error_leaves_nothing_behind(path: Path, encoder: TinyEncoder) -> None:
    embedding = YoutuEmbeddings(encoder=encoder)
    with pytest.raises(InputError, match="text 1 is blank"):
        YoutuVectorStore.from_texts(["one", " "], embedding, path=path)
    assert not path.exists()
    with YoutuVectorStore.from_texts(["one", "two"], embedding, path=path) as store:
        assert len(store.index) == 2


def test_an_error_leaves_no_temporary_directory_either(
    tmp_path: Path, encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    embedding = YoutuEmbeddings(encoder=encoder)
    with pytest.raises(InputError, match="text 1 is blank"):
        YoutuVectorStore.from_texts(["one", " "], embedding)
    with pytest.raises(InputError, match="FAISS"):
        YoutuVectorStore.from_texts(["one"], embedding, factory="Flut")
    assert list(tmp_path.iterdir()) == []
    with YoutuVectorStore.from_texts(["one"], embedding) as store:
        assert store.index.path.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_without_a_path_the_directory_goes_with_the_store(encoder: TinyEncoder) -> None:
    embedding = YoutuEmbeddings(encoder=encoder)
    with YoutuVectorStore.from_texts(["one"], embedding, ids=["a"]) as store:
        path = store.index.path
        assert (path / "manifest.json").exists()
        assert store.similarity_search("one")[0].id == "a"
    assert not path.exists()
    store.close()  # a second time is fine

    store = asyncio.run(YoutuVectorStore.afrom_documents([Document(id="a", page_content="one")], embedding))
    path, retriever = store.index.path, store.as_retriever()
    del store
    gc.collect()
    assert [one.id for one in retriever.invoke("one")] == ["a"]  # something refers to it still
    del retriever
    gc.collect()
    assert not path.exists()


def test_a_temporary_directory_does_not_outlive_the_process() -> None:
    code = """
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_youtu import YoutuVectorStore
store = YoutuVectorStore.from_texts(["one"], DeterministicFakeEmbedding(size=6))
print(store.index.path, store.index.path.exists())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    path, existed = done.stdout.split()
    assert (existed, Path(path).exists(), done.stderr) == ("True", False, "")


# -- on disk ---------------------------------------------------------------------------------------------


def test_nothing_is_pickled(store: YoutuVectorStore, path: Path) -> None:
    store.add_texts([f"text {i}" for i in range(50)], [{"n": i} for i in range(50)])
    store.delete(store.index.ids({"n": {"$lt": 5}}))
    store.close()
    kinds = {file.suffix or file.name for file in path.iterdir()}
    assert kinds == {".json", ".sqlite", ".faiss", ".f32", ".lock", "committed"}
    assert not any(b"\x80\x04\x95" in file.read_bytes() for file in path.iterdir())  # how a pickle begins


def test_the_store_is_the_index(store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    """What the index has added the store finds, and the other way round; the vectors are the encoder's."""
    store.add_texts(["one"], ids=["a"])
    store.index.add(["two"], ["b"])
    assert {one.id for one in store.similarity_search("one")} == {"a", "b"}
    np.testing.assert_array_equal(store.index.vectors(["a", "b"]), encoder.encode_document(["one", "two"]))
