"""What users of langchain-community's FAISS call: it does the same here, or says what to use instead."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from tiny import TinyEncoder

from langchain_youtu import YoutuEmbeddings, YoutuVectorStore
from youtu_st.errors import FilterError, IndexExistsError, IndexMismatchError, InputError

TEXTS = [f"text {i}" for i in range(12)]
IDS = [f"t{i}" for i in range(12)]
RECORDS = [{"n": i, "lang": "en" if i % 2 else "zh"} for i in range(12)]
QUERY = "text 7"


@pytest.fixture
def embeddings() -> YoutuEmbeddings:
    return YoutuEmbeddings(encoder=TinyEncoder())


@pytest.fixture
def store(tmp_path: Path, embeddings: YoutuEmbeddings) -> Iterator[YoutuVectorStore]:
    with YoutuVectorStore.from_texts(TEXTS, embeddings, RECORDS, ids=IDS, path=tmp_path / "index") as store:
        yield store


def found(store: YoutuVectorStore) -> list[tuple[str | None, float]]:
    return [(one.id, score) for one, score in store.similarity_search_with_score(QUERY, 12)]


@pytest.mark.parametrize("factory", ["Flat", "HNSW8"])
def test_what_is_saved_is_loaded(tmp_path: Path, embeddings: YoutuEmbeddings, factory: str) -> None:
    encoder: Any = embeddings.encoder
    with YoutuVectorStore.from_texts(TEXTS, embeddings, RECORDS, ids=IDS, factory=factory) as temporary:
        temporary.delete(["t3"])
        temporary.index.add(["whole"], ["w"], [{"__llama_index__": {"document": "d"}}])
        encoder.encoded.clear()
        temporary.save_local(tmp_path / "new" / "saved")
        temporary.save_local(str(tmp_path), "other")
        assert set(encoder.encoded).isdisjoint(TEXTS)  # the vectors are there
        before = found(temporary)
    for loaded in (
        YoutuVectorStore.load_local(
            tmp_path / "new" / "saved", embeddings, allow_dangerous_deserialization=True
        ),
        YoutuVectorStore.load_local(str(tmp_path), embeddings, "other"),
    ):
        assert [id for id, _ in found(loaded)] == [id for id, _ in before]
        assert [score for _, score in found(loaded)] == pytest.approx(
            [score for _, score in before], abs=1e-6
        )
        assert loaded.index.manifest.factory == factory
        assert loaded.get_by_ids(["t5"]) == [Document(id="t5", page_content="text 5", metadata=RECORDS[5])]
        (whole,) = loaded.index.get(["w"])
        assert whole.metadata == {"__llama_index__": {"document": "d"}}
        loaded.close()


def test_saving_where_it_is_or_where_something_is(tmp_path: Path, store: YoutuVectorStore) -> None:
    store.save_local(tmp_path / "index")  # all is there
    assert len(store.index) == 12
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(IndexExistsError, match="holds 'notes.txt'"):
        store.save_local(tmp_path / "full")


def test_loading_what_is_not_ours(
    tmp_path: Path, store: YoutuVectorStore, embeddings: YoutuEmbeddings
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "index.faiss").write_bytes(b"")
    with pytest.raises(
        InputError, match="was written by FAISS, whose documents are a pickle: read it with FAISS"
    ):
        YoutuVectorStore.load_local(tmp_path / "old", embeddings, allow_dangerous_deserialization=True)
    with pytest.raises(IndexMismatchError):
        YoutuVectorStore.load_local(tmp_path / "index", YoutuEmbeddings(encoder=TinyEncoder(name="other")))
    with pytest.raises(TypeError, match="'distance_strategy'.*leave it out, for scores are cosines"):
        YoutuVectorStore.load_local(tmp_path / "index", embeddings, distance_strategy="COSINE")


def test_merging(tmp_path: Path, store: YoutuVectorStore, embeddings: YoutuEmbeddings) -> None:
    encoder: Any = embeddings.encoder
    before = found(store)
    with YoutuVectorStore.from_texts(["text 7", "b"], embeddings, [{"m": 1}, {}], ids=["x", "y"]) as other:
        encoder.encoded.clear()
        store.merge_from(other)
        assert set(encoder.encoded).isdisjoint({"text 7", "b"})
        assert len(other.index) == 2
        assert store.get_by_ids(["x"]) == [Document(id="x", page_content="text 7", metadata={"m": 1})]
        both = dict(found(store))
        assert {id: score for id, score in both.items() if id not in "xy"}.items() <= dict(before).items()
        with pytest.raises(InputError, match="2 ids are in both stores, such as 'x'"):
            store.merge_from(other)
    foreign = YoutuEmbeddings(encoder=TinyEncoder(name="another"))
    with YoutuVectorStore.from_texts(["c"], foreign, ids=["z"]) as other:
        store.merge_from(other)  # with vectors of its own encoder
    np.testing.assert_allclose(store.index.vectors(["z"]), TinyEncoder().encode_document(["c"]), atol=1e-6)
    with pytest.raises(InputError, match="target must be a YoutuVectorStore, not str"):
        store.merge_from("other")


def test_vectors_that_are_known(store: YoutuVectorStore, embeddings: YoutuEmbeddings) -> None:
    encoder: Any = embeddings.encoder
    rows = (3 * TinyEncoder().encode_document(["a", "b"])).tolist()
    encoder.encoded.clear()
    assert store.add_embeddings(zip("ab", rows, strict=True), [{"n": 1}, None], ids=["a", None])[0] == "a"
    options: dict[str, Any] = {"metadatas": [{"n": 1}, {"n": 2}], "ids": ["a", "b"]}
    for made in (
        YoutuVectorStore.from_embeddings(zip("ab", rows, strict=True), embeddings, **options),
        asyncio.run(YoutuVectorStore.afrom_embeddings(zip("ab", rows, strict=True), embeddings, **options)),
    ):
        assert set(encoder.encoded).isdisjoint({"a", "b"})
        np.testing.assert_allclose(made.index.vectors(["a", "b"]), np.array(rows) / 3, atol=1e-6)
        assert made.get_by_ids(["b"])[0].metadata == {"n": 2}
        made.close()
    with pytest.raises(InputError, match="metadata 0 has the key '__x__'"):
        store.add_embeddings([("a", rows[0])], [{"__x__": 1}])
    assert store.add_embeddings([]) == []


def test_scores_by_vector(store: YoutuVectorStore, embeddings: YoutuEmbeddings) -> None:
    vector = embeddings.embed_query(QUERY)
    expected = store.similarity_search_with_score(QUERY, 5, filter={"lang": "en"})
    options: dict[str, Any] = {"k": 5, "filter": {"lang": "en"}}
    assert store.similarity_search_with_score_by_vector(vector, **options) == expected
    assert store.similarity_search_with_score_by_vector(vector, 5, {"lang": "en"}) == expected
    assert asyncio.run(store.asimilarity_search_with_score_by_vector(vector, **options)) == expected
    diverse = store.max_marginal_relevance_search_with_score_by_vector(vector, fetch_k=9, **options)
    assert [one for one, _ in diverse] == store.max_marginal_relevance_search(QUERY, fetch_k=9, **options)
    cosines = dict(found(store))
    assert [score for _, score in diverse] == [cosines[one.id] for one, _ in diverse]
    slow = store.amax_marginal_relevance_search_with_score_by_vector(vector, fetch_k=9, **options)
    assert asyncio.run(slow) == diverse


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (lambda metadata: metadata["n"] > 6, {"n": {"$gt": 6}}),
        (lambda metadata: False, {"$or": []}),
        ({"n": [2, 3, 50]}, {"n": {"$in": [2, 3, 50]}}),
        ({"lang": {"$neq": "en"}}, {"lang": {"$ne": "en"}}),
        (
            {"$or": [{"n": [1]}, {"$and": [{"lang": ["zh"]}, {"n": {"$neq": 4}}]}]},
            {"$or": [{"n": 1}, {"lang": "zh", "n": {"$ne": 4}}]},
        ),
        ({"$not": {"n": [1, 2]}}, {"n": {"$nin": [1, 2]}}),
    ],
    ids=range(6),
)
def test_filters_as_faiss_has_them(store: YoutuVectorStore, theirs: Any, ours: dict[str, Any]) -> None:
    expected = store.similarity_search(QUERY, 12, filter=ours)
    assert len(expected) == len(store.index.ids(ours))
    assert store.similarity_search(QUERY, 12, filter=theirs) == expected
    assert asyncio.run(store.asimilarity_search(QUERY, 12, filter=theirs, fetch_k=2)) == expected
    some = store.max_marginal_relevance_search(QUERY, 3, filter=ours, score_threshold=0.3)
    assert store.max_marginal_relevance_search(QUERY, 3, filter=theirs, score_threshold=0.3) == some
    retriever = store.as_retriever(search_kwargs={"k": 12, "filter": theirs})
    assert retriever.invoke(QUERY) == expected


@pytest.mark.parametrize("bad", ["A\0x", 2**64, -(2**64)])
def test_what_sqlite_would_read_otherwise_is_refused(store: YoutuVectorStore, bad: Any) -> None:
    for filter in (
        {"k": bad},
        {"k": [bad]},
        {"k": {"$neq": bad}},
        {"$or": [{"k": 1}, {"k": {"$in": [1, bad]}}]},
    ):
        with pytest.raises(FilterError, match="without NUL|64 bits"):
            store.similarity_search(QUERY, filter=filter)
    with pytest.raises(InputError, match="no NUL|64 bits"):
        store.add_texts(["a"], [{"k": [bad]}])


def test_a_filter_without_end_is_refused(store: YoutuVectorStore) -> None:
    endless: dict[str, Any] = {}
    endless["$not"] = endless
    with pytest.raises(FilterError, match="nest"):
        store.similarity_search(QUERY, filter=endless)


def test_what_has_no_place_here_says_what_to_use(
    store: YoutuVectorStore, embeddings: YoutuEmbeddings
) -> None:
    for name, instead in {
        "distance_strategy": "scores are cosines",
        "embedding_function": "store.embeddings",
    }.items():
        with pytest.raises(AttributeError, match=f"no attribute '{name}': .*{instead}"):
            getattr(store, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'$"):
        store.nothing  # noqa: B018 - the attribute is asked for, and is not there
    for call in (store.serialize_to_bytes, YoutuVectorStore.deserialize_from_bytes):
        with pytest.raises(InputError, match="the index is a directory: copy it"):
            call()
    for name in ("relevance_score_fn", "normalize_L2", "distance_strategy"):
        with pytest.raises(TypeError, match=f"unknown keyword '{name}'.*{name}: leave it out, for"):
            YoutuVectorStore.from_texts(["a"], embeddings, **{name: 1})
    with pytest.raises(TypeError, match="unknown keyword 'docstore'.*the index holds the documents"):
        YoutuVectorStore(store.index, docstore={})
    with pytest.raises(InputError, match="fetch_k must be an int of at least 1, not 0"):
        store.similarity_search(QUERY, fetch_k=0)


def test_the_docstore_is_a_view_of_the_index(store: YoutuVectorStore) -> None:
    docstore, documents = store.docstore, store.docstore._dict
    fifth = Document(id="t5", page_content="text 5", metadata=RECORDS[5])
    assert docstore.search("t5") == documents["t5"] == fifth
    assert docstore.search("t99") == "ID t99 not found."
    assert (list(documents), len(documents)) == (IDS, 12)
    assert list(documents.values()) == store.get_by_ids(IDS)
    assert dict(documents.items()) == {one.id: one for one in store.get_by_ids(IDS)} == documents
    assert "t5" in documents
    assert fifth in documents.values()
    assert 5 not in documents  # type: ignore[comparison-overlap]
    with pytest.raises(KeyError, match="t99"):
        documents["t99"]
    store.delete(["t5"])
    store.add_texts(["whole"], [{"n": 1}], ["w"])
    assert docstore.search("t5") == "ID t5 not found."
    assert list(documents)[-1] == "w"
    assert repr(docstore) == "Docstore(12 documents)"
    with pytest.raises(InputError, match=r"use store\.add_documents"):
        docstore.add({"a": fifth})
    with pytest.raises(InputError, match=r"use store\.delete"):
        docstore.delete(["w"])
    with pytest.raises(AttributeError):
        store.docstore = {}  # type: ignore[misc, assignment]
    assert repr(documents) == f"StoredDocuments({store.index!r})"


def test_more_documents_than_are_read_at_once(embeddings: YoutuEmbeddings) -> None:
    ids = [str(i) for i in range(2_500)]
    with YoutuVectorStore.from_texts(ids, embeddings, ids=ids) as many:
        assert [(id, one.page_content) for id, one in many.docstore._dict.items()] == [(id, id) for id in ids]


def test_positions_and_ids(store: YoutuVectorStore) -> None:
    assert store.index_to_docstore_id == dict(enumerate(IDS))
    assert [store.docstore.search(id) for id in store.index_to_docstore_id.values()] == store.get_by_ids(IDS)
    store.delete(["t0"])
    assert store.index_to_docstore_id[0] == "t1"
    with pytest.raises(TypeError):
        store.index_to_docstore_id[0] = "x"  # type: ignore[index]


def test_an_id_that_comes_twice_in_a_call_is_refused(
    store: YoutuVectorStore, embeddings: YoutuEmbeddings
) -> None:
    encoder: Any = embeddings.encoder
    encoder.encoded.clear()
    twice = r"Duplicate ids found in the ids list\. 'x' is at positions 0 and 2"
    for call in (
        lambda: store.add_texts(["a", "b", "c"], None, ["x", "y", "x"]),
        lambda: store.add_documents([Document(id=id, page_content=id) for id in "xyx"]),
        lambda: store.add_embeddings([("a", [1.0] * 16)] * 3, ids=["x", None, "x"]),
        lambda: YoutuVectorStore.from_texts(["a", "b", "c"], embeddings, ids=["x", "y", "x"]),
    ):
        with pytest.raises(InputError, match=twice):
            call()
    assert len(store.index) == 12
    assert set(encoder.encoded).isdisjoint("abcxy")
    store.add_texts(["new"], None, ["t5"])  # one that is there is replaced, as before
    assert store.get_by_ids(["t5"])[0].page_content == "new"
    assert len(store.add_texts(["a", "b"], None, [None, None])) == 2


def test_a_filter_may_stand_where_faiss_has_it(store: YoutuVectorStore, embeddings: YoutuEmbeddings) -> None:
    vector, english = embeddings.embed_query(QUERY), {"lang": "en"}
    expected = store.similarity_search_with_score(QUERY, 3, filter=english)
    documents = [one for one, _ in expected]
    assert store.similarity_search(QUERY, 3, english) == documents
    assert asyncio.run(store.asimilarity_search(QUERY, 3, english)) == documents
    assert store.similarity_search_with_score(QUERY, 3, english) == expected
    assert asyncio.run(store.asimilarity_search_with_score(QUERY, 3, english)) == expected
    assert store.similarity_search_by_vector(vector, 3, english) == documents
    assert asyncio.run(store.asimilarity_search_by_vector(vector, 3, english)) == documents
    assert [one for one, _ in store.similarity_search_with_relevance_scores(QUERY, 3, english)] == documents
    diverse = store.max_marginal_relevance_search(QUERY, 3, 12, 0.3, filter=english)
    assert store.max_marginal_relevance_search_by_vector(vector, 3, 12, 0.3, english) == diverse
    assert asyncio.run(store.amax_marginal_relevance_search_by_vector(vector, 3, 12, 0.3, english)) == diverse
    assert store.max_marginal_relevance_search(QUERY, 3, 12, 0.3, english) == diverse
    assert asyncio.run(store.amax_marginal_relevance_search(QUERY, 3, 12, 0.3, english)) == diverse


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF4,Flat"])
def test_a_function_is_asked_as_far_down_as_it_takes(embeddings: YoutuEmbeddings, factory: str) -> None:
    texts = [f"text {i}" for i in range(400)]
    with YoutuVectorStore.from_texts(
        texts, embeddings, [{"n": i} for i in range(400)], factory=factory
    ) as all:
        ranking = [one.metadata["n"] for one in all.similarity_search(QUERY, 400)]
        for rank in (0, 3, 57, 399):
            wanted = ranking[rank]
            asked: list[int] = []

            def liked(metadata: dict[str, Any], wanted: int = wanted, asked: list[int] = asked) -> bool:
                asked.append(metadata["n"])
                return bool(metadata["n"] == wanted)

            assert [one.metadata["n"] for one in all.similarity_search(QUERY, 1, filter=liked)] == [wanted]
            assert len(asked) <= 7 * (rank + 1)  # and no further
        odd = [n for n in ranking if n % 2]
        found = all.similarity_search(QUERY, 250, filter=lambda metadata: metadata["n"] % 2)
        assert [one.metadata["n"] for one in found] == odd


def test_what_a_function_raises_is_raised(store: YoutuVectorStore) -> None:
    with pytest.raises(KeyError, match="absent"):
        store.similarity_search(QUERY, filter=lambda metadata: metadata["absent"])


def test_filters_on_texts(store: YoutuVectorStore) -> None:
    found = store.similarity_search(QUERY, 12, filter={"$contains": "text 1"})
    assert {one.id for one in found} == {"t1", "t10", "t11"}
    found = store.similarity_search(QUERY, 12, filter={"$not": {"$icontains": "TEXT 1"}, "lang": ["en"]})
    assert {one.id for one in found} == {"t3", "t5", "t7", "t9"}
