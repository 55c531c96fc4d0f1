"""The store's own methods: what is written, what is refused, what is found, what is deleted."""

from __future__ import annotations

import asyncio
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import Document, MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from tiny import TinyEncoder

import youtu_st
from llama_index.vector_stores.youtu import YoutuVectorStore
from youtu_st.errors import (
    IndexExistsError,
    IndexLockedError,
    IndexMismatchError,
    IndexNotFoundError,
    InputError,
    VectorIndexError,
)


def node(id: str, text: str | None = None, source: str | None = None, **fields: Any) -> TextNode:
    relationships = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)} if source else {}
    return TextNode(id_=id, text=text or f"text of {id}", relationships=relationships, **fields)


def ids(store: YoutuVectorStore, query: str = "anything", k: int = 100, **options: Any) -> list[str]:
    return store.query(VectorStoreQuery(query_str=query, similarity_top_k=k, **options)).ids or []


def where(**values: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value) for key, value in values.items()])


# -- opening -------------------------------------------------------------------------------------------------


def test_create_close_and_open_again(tmp_path: Path, encoder: TinyEncoder) -> None:
    path = tmp_path / "deep" / "index"
    store = YoutuVectorStore.create(path, encoder, factory="HNSW8", embed_metadata=True)
    assert (store.embed_metadata, store.stores_text, store.index.manifest.factory) == (True, True, "HNSW8")
    assert store.client is store.index
    assert store.class_name() == "YoutuVectorStore"
    store.add([node("a")])
    assert (
        repr(store)
        == str(store)
        == f"YoutuVectorStore(VectorIndex({str(path)!r}, 'tiny', 'HNSW8', 1 documents))"
    )
    store.persist(str(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()
    store.close()
    assert "closed" in repr(store)
    with pytest.raises(VectorIndexError, match="closed"):
        store.get_nodes()
    again = YoutuVectorStore(index=path, encoder=encoder)
    assert again.embed_metadata is False
    assert again.get_nodes() == [node("a")]
    again.close()


def test_an_open_index_is_taken_as_it_is(store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    assert YoutuVectorStore(store.index).index is store.index
    assert YoutuVectorStore(store.index, encoder=TinyEncoder(runtime={})).index is store.index
    with pytest.raises(IndexMismatchError, match="query probes"):
        YoutuVectorStore(store.index, encoder=TinyEncoder(noise=0.1))


def test_a_path_alone_finds_its_encoder(tmp_path: Path, checkpoint: Any, spec_file: Any) -> None:
    youtu_st.load(spec_file(), checkpoint("youtu", "bpe-bos")).save_pretrained(str(tmp_path / "model"))
    encoder = youtu_st.Encoder.shared(tmp_path / "model")
    YoutuVectorStore.create(tmp_path / "index", encoder).close()
    store = YoutuVectorStore(str(tmp_path / "index"))
    assert store.index.encoder is encoder
    store.close()


def test_the_indexs_own_errors(tmp_path: Path, store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    with pytest.raises(InputError, match="index must be a VectorIndex or its directory, not int"):
        YoutuVectorStore(5)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(IndexNotFoundError, match="nowhere"):
        YoutuVectorStore(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(IndexExistsError):
        YoutuVectorStore.create(store.index.path, encoder)
    with pytest.raises(IndexMismatchError, match="another encoder"):
        YoutuVectorStore(store.index.path, encoder=TinyEncoder(name="other"))
    store.add([node("a")])
    other = YoutuVectorStore(store.index.path, encoder=encoder)
    assert ids(other) == ["a"]
    encoder.encoded.clear()
    for write in (lambda: other.add([node("b")]), lambda: other.delete("a"), other.clear):
        with pytest.raises(IndexLockedError):
            write()
    row = encoder.encode_document(["text of c"])[0].tolist()
    encoder.encoded.clear()
    with pytest.raises(IndexLockedError):  # before the encoder's work
        other.add([node("c", embedding=row), node("d")])
    assert encoder.encoded == ["text of c"]  # to check the embedding
    assert ids(other) == ["a"]
    other.close()


# -- adding: whose vectors, and of what ----------------------------------------------------------------------


def test_embeddings_are_taken_and_the_rest_is_encoded(store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    rows = encoder.encode_document(["text of a", "text of c"])
    encoder.encoded.clear()
    nodes = [node("a", embedding=(3 * rows[0]).tolist()), node("b"), node("c", embedding=rows[1].tolist())]
    assert store.add(nodes) == ["a", "b", "c"]
    assert encoder.encoded == ["text of a", "text of b"]  # the first to check it
    assert nodes[1].embedding is None
    texts = ["text of a", "text of b", "text of c"]
    np.testing.assert_allclose(
        store.index.vectors(["a", "b", "c"]), encoder.encode_document(texts), atol=1e-6
    )
    encoder.encoded.clear()
    store.add([node("c", embedding=rows[1].tolist())])
    assert encoder.encoded == []  # one check is enough
    store.add([node("e"), node("f")])
    assert encoder.encoded == ["text of e", "text of f"]
    assert store.add([]) == []


def test_an_id_again_replaces_the_node(store: YoutuVectorStore) -> None:
    assert store.add([node("a", "first"), node("b"), node("a", "second")]) == ["a", "b", "a"]
    assert [one.get_content() for one in store.get_nodes()] == ["text of b", "second"]
    store.add([node("b", "third", source="x")])
    assert ids(store, "third", 1) == ["b"]
    assert [one.ref_doc_id for one in store.get_nodes(["b"])] == ["x"]
    assert len(store.index) == 2


def test_metadata_does_not_change_a_vector(store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    made = [node(id, metadata={"file": "x.md"}) for id in "abc"]
    hidden = node("d", metadata={"file": "x.md"}, excluded_embed_metadata_keys=["file"])
    for one in (*made, hidden):  # as VectorStoreIndex does
        one.embedding = encoder.encode_document([one.get_content(MetadataMode.EMBED)])[0].tolist()
    encoder.encoded.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        store.add([*made[:2], hidden])
        store.add(made[2:])
    assert len(caught) == 1
    assert "transformations=[splitter, embed_model]" in str(caught[0].message)
    assert (caught[0].category, caught[0].filename) == (UserWarning, __file__)
    pasted = [one.get_content(MetadataMode.EMBED) for one in made]
    # That of d is right. Of a and b their texts, and to find out what else it is, what a was made of; so of c.
    assert encoder.encoded == ["text of d", "text of a", "text of b", pasted[0], "text of c", pasted[2]]
    own = encoder.encode_document([f"text of {id}" for id in "abcd"])
    np.testing.assert_allclose(store.index.vectors(["a", "b", "c", "d"]), own, atol=1e-6)
    np.testing.assert_allclose(own[3], hidden.embedding, atol=1e-6)


def test_embeddings_of_texts_alone_are_taken(store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    """As ``encode_document([text])`` makes them: they were encoded again, and called those of metadata too."""
    many = [node(f"n{i}", metadata={"file": f"{i}.md"}) for i in range(60)]
    rows = TinyEncoder(noise=0.0005).encode_document([one.get_content() for one in many])
    for one, row in zip(many, rows, strict=True):
        one.embedding = row.tolist()
    encoder.encoded.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.add(many)
        assert len(encoder.encoded) == 8
        store.add(many[:1])
    np.testing.assert_allclose(store.index.vectors([one.node_id for one in many]), rows, atol=1e-6)


def test_of_mixed_embeddings_each_node_has_its_texts(store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    many = [node(f"n{i}", metadata={"file": f"{i}.md"}) for i in range(20)]
    for i, one in enumerate(many):
        content = one.get_content(MetadataMode.EMBED if i in (0, 7) else MetadataMode.NONE)
        one.embedding = None if i == 5 else encoder.encode_document([content])[0].tolist()
    with pytest.warns(UserWarning, match="of their metadata and text together"):
        store.add(many)
    own = encoder.encode_document([one.get_content() for one in many])
    np.testing.assert_allclose(store.index.vectors([one.node_id for one in many]), own, atol=1e-6)


def test_metadata_changes_vectors_where_the_user_asks(tmp_path: Path, encoder: TinyEncoder) -> None:
    store = YoutuVectorStore.create(tmp_path / "index", encoder, embed_metadata=True)
    given, bare, plain = (node(id, metadata={"file": f"{id}.md"}) for id in "abc")
    plain.metadata = {}
    given.embedding = encoder.encode_document(["file: a.md\n\ntext of a"])[0].tolist()
    encoder.encoded.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.add([given, bare, plain])
        store.add([bare])
    bares = "file: b.md\n\ntext of b"
    assert encoder.encoded == ["file: a.md\n\ntext of a", bares, "text of c", bares]
    expected = encoder.encode_document(["file: a.md\n\ntext of a", bares, "text of c"])
    np.testing.assert_allclose(store.index.vectors(["a", "b", "c"]), expected, atol=1e-6)
    assert [one.get_content() for one in store.get_nodes()] == ["text of a", "text of c", "text of b"]
    store.close()


WITH_METADATA = {"file": "x.md"}


@pytest.mark.parametrize("embed_metadata", [False, True])
@pytest.mark.parametrize("metadata", [{}, WITH_METADATA])
def test_embeddings_of_another_model_are_refused(
    tmp_path: Path, embed_metadata: bool, metadata: dict[str, str]
) -> None:
    encoder, other = TinyEncoder(), TinyEncoder(name="other", noise=0.002)
    store = YoutuVectorStore.create(tmp_path / "index", encoder, embed_metadata=embed_metadata)
    alien = node("alien", metadata=metadata)
    content = [alien.get_content(MetadataMode.EMBED)]
    alien.embedding = other.encode_document(content)[0].tolist()
    message = r"'alien' is not of this index's encoder, tiny.*0\.9980.*YoutuEmbedding\(encoder=store\.index\.encoder\)"
    for _ in range(2):
        with pytest.raises(IndexMismatchError, match=message):
            store.add([node("fine"), alien])
    alien.embedding = [1.0, 2.0]
    with pytest.raises(IndexMismatchError, match="has 2 numbers, not 16"):
        store.add([alien])
    alien.embedding = [float("nan")] * 16
    with pytest.raises(InputError, match="'alien'.*not finite"):
        store.add([alien])
    assert store.get_nodes() == []
    alien.embedding = (
        TinyEncoder(noise=0.0005).encode_document(content)[0].tolist()
    )  # another backend's last digits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store.add([alien])
    assert len(store.index) == 1
    store.close()


def test_with_embed_metadata_an_embedding_of_the_text_alone_is_another_models(
    tmp_path: Path, encoder: TinyEncoder
) -> None:
    row = encoder.encode_document(["text of a"])[0].tolist()
    a = node("a", metadata=WITH_METADATA, embedding=row)
    store = YoutuVectorStore.create(tmp_path / "index", encoder, embed_metadata=True)
    with pytest.raises(IndexMismatchError):
        store.add([a])
    store.embed_metadata = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.add([a])
    store.close()


# -- deleting and getting ------------------------------------------------------------------------------------


def fill(store: YoutuVectorStore) -> None:
    """Nodes a to d of two documents, one of none, and three documents that another tool wrote."""
    store.add(
        [
            node("a", source="x", metadata={"n": 1}),
            node("b", source="y", metadata={"n": 2, "source": "x"}),
            node("c", source="x", metadata={"n": 2}),
            node("d", metadata={"n": 2}),
        ]
    )
    store.index.add(
        ["from x", "from y", "from x and y"],
        ["e", "f", "g"],
        [{"source": "x", "n": 1}, {"source": "y"}, {"source": ["x", "y"]}],
    )


def left(store: YoutuVectorStore) -> str:
    return "".join(one.node_id for one in store.get_nodes())


@pytest.mark.parametrize(
    ("document", "rest"), [("x", "bdfg"), ("y", "acdeg"), ("None", "abcdefg"), ("a", "abcdefg")]
)
def test_delete_takes_all_nodes_of_a_document_and_no_other(
    store: YoutuVectorStore, document: str, rest: str
) -> None:
    fill(store)
    with_it = {one.node_id for one in store.get_nodes() if one.ref_doc_id == document}
    store.delete(document)
    assert left(store) == rest
    assert set("abcdefg") - with_it == set(rest)
    assert set(ids(store)) == set(rest)


def test_delete_takes_the_id_of_a_document(store: YoutuVectorStore) -> None:
    fill(store)
    with pytest.raises(InputError, match="not None"):
        store.delete(None)  # type: ignore[arg-type]  # wrong on purpose
    assert left(store) == "abcdefg"


def test_delete_nodes(store: YoutuVectorStore) -> None:
    fill(store)
    for nothing in (None, MetadataFilters(filters=[])):
        with pytest.raises(InputError, match=r"clear\(\)"):
            store.delete_nodes(filters=nothing)
    store.delete_nodes([])
    store.delete_nodes(["nowhere"])
    assert left(store) == "abcdefg"
    store.delete_nodes(["a", "c", "g"], where(n=2))
    assert left(store) == "abdefg"
    store.delete_nodes(filters=where(n=1))
    assert left(store) == "bdfg"
    store.delete_nodes(["f", "nowhere"], MetadataFilters(filters=[]))
    assert left(store) == "bdg"
    store.clear()
    assert left(store) == ""
    assert ids(store) == []


def test_get_nodes(store: YoutuVectorStore) -> None:
    fill(store)
    assert [one.node_id for one in store.get_nodes(["d", "nowhere", "a"])] == ["d", "a"]
    assert [one.node_id for one in store.get_nodes(filters=where(n=2))] == ["b", "c", "d"]
    assert [one.node_id for one in store.get_nodes(["e", "d", "a", "b"], where(n=2))] == ["d", "b"]
    assert store.get_nodes([]) == []


def test_a_deleted_neighbour_leaves_every_node_its_vector(
    store: YoutuVectorStore, encoder: TinyEncoder
) -> None:
    """A store that finds nodes by their position in FAISS gives c's vector b's or d's text here."""
    store.add([node("a", source="x"), node("b"), node("c")])
    store.delete("x")
    store.add([node("d")])
    for id in "bcd":
        vector = encoder.encode_document([f"text of {id}"])[0].tolist()
        result = store.query(VectorStoreQuery(query_embedding=vector, similarity_top_k=1))
        assert (result.ids, result.nodes, result.similarities) == ([id], [node(id)], pytest.approx([1]))


# -- querying ------------------------------------------------------------------------------------------------


def test_query_against_brute_force(store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    texts = [f"text {i}" for i in range(30)]
    store.add([node(str(i), text) for i, text in enumerate(texts)])
    question = encoder.encode_query(["text 7"])[0]
    scores = encoder.encode_document(texts) @ question
    best = [str(i) for i in np.argsort(-scores)[:5]]
    by_vector = store.query(
        VectorStoreQuery(query_embedding=question.tolist(), query_str="not used", similarity_top_k=5)
    )
    by_text = store.query(VectorStoreQuery(query_str="text 7", similarity_top_k=5))
    for result in (by_vector, by_text):
        assert result.ids == best
        assert best[0] == "7"
        assert result.similarities == pytest.approx(np.sort(scores)[::-1][:5].tolist(), abs=1e-6)
        assert all(type(one) is float for one in result.similarities or [])
        assert [one.get_content() for one in result.nodes or []] == [texts[int(id)] for id in best]


def test_query_restrictions(store: YoutuVectorStore) -> None:
    assert store.query(VectorStoreQuery(query_str="nothing is here")) == VectorStoreQueryResult([], [], [])
    fill(store)

    def found(**options: Any) -> str:
        modes = (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR)
        plain, diverse = ("".join(sorted(ids(store, mode=mode, **options))) for mode in modes)
        assert plain == diverse
        return plain

    # LlamaIndex's retrievers pass an empty list of node_ids for a store that keeps its texts.
    assert found(node_ids=[]) == found(filters=MetadataFilters(filters=[])) == "abcdefg"
    assert found(doc_ids=[]) == ""
    assert found(node_ids=["c", "f", "nowhere"]) == "cf"
    assert found(doc_ids=["x"]) == "aceg"  # g is of x and of y
    assert found(doc_ids=["x", "y"]) == "abcefg"
    assert found(doc_ids=["nowhere"]) == found(node_ids=["nowhere"]) == ""
    assert found(filters=where(n=2)) == "bcd"
    assert found(filters=where(n=2), doc_ids=["x"]) == "c"
    assert found(filters=where(n=2), node_ids=["a", "c", "d"]) == "cd"
    assert found(filters=where(n=2), node_ids=["a", "b", "d"], doc_ids=["y"]) == "b"


def mmr(query: np.ndarray, rows: np.ndarray, k: int, share: float) -> list[str]:
    """Maximal marginal relevance, slowly."""
    chosen: list[int] = []
    for _ in range(k):
        rest = [i for i in range(len(rows)) if i not in chosen]
        chosen.append(
            max(
                rest,
                key=lambda i: (
                    share * (rows[i] @ query)
                    - (1 - share) * max((rows[i] @ rows[j] for j in chosen), default=0)
                ),
            )
        )
    return [str(i) for i in chosen]


@pytest.mark.parametrize("threshold", [None, 0.3, 0.5, 0.8, 1.0])
def test_mmr(store: YoutuVectorStore, encoder: TinyEncoder, threshold: float | None) -> None:
    texts = [f"text {i}" for i in range(16)]
    store.add([node(str(i), text) for i, text in enumerate(texts)])
    rows = encoder.encode_document(texts).astype(np.float64)
    question = encoder.encode_query(["text 7"])[0].astype(np.float64)
    share = 0.5 if threshold is None else threshold
    query = VectorStoreQuery(question.tolist(), 5, mode=VectorStoreQueryMode.MMR, mmr_threshold=threshold)
    result = store.query(query)
    assert result.ids == mmr(question, rows, 5, share)
    assert result.similarities == pytest.approx(
        [rows[int(id)] @ question for id in result.ids or []], abs=1e-6
    )
    query.mmr_threshold = 0.123
    assert store.query(query, mmr_threshold=share).ids == result.ids  # the keyword goes first
    # LlamaIndex's own threshold means the same; it looks at the last choice alone, which is all there is for two.
    _, theirs = get_top_k_mmr_embeddings(
        question.tolist(), rows.tolist(), similarity_top_k=2, mmr_threshold=threshold
    )
    assert (result.ids or [])[:2] == [str(i) for i in theirs]


def test_mmr_chooses_from_more_than_it_returns(store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    texts = [f"text {i}" for i in range(200)]
    store.add([node(str(i), text) for i, text in enumerate(texts)])
    rows = encoder.encode_document(texts).astype(np.float64)
    question = encoder.encode_query(["question"])[0].astype(np.float64)
    for k, fetched in ((2, 20), (10, 40)):
        nearest = np.argsort(-(rows @ question))[:fetched]
        expected = [str(nearest[int(i)]) for i in mmr(question, rows[nearest], k, 0.0)]
        query = VectorStoreQuery(question.tolist(), k, mode=VectorStoreQueryMode.MMR)
        assert store.query(query, mmr_threshold=0.0).ids == expected


@pytest.mark.parametrize(
    ("query", "options", "named"),
    [
        (
            VectorStoreQuery(query_str="q", mode=VectorStoreQueryMode.SVM),
            {},
            r"must be one of default, mmr, hybrid, text_search, sparse here, not 'svm'",
        ),
        (VectorStoreQuery(), {}, "must have query_embedding or query_str, and this has neither"),
        (VectorStoreQuery(query_str="q"), {"mmr_treshold": 1}, "not 'mmr_treshold'"),
        (VectorStoreQuery(query_str="q", mode=VectorStoreQueryMode.MMR, mmr_threshold=2.0), {}, "2.0"),
        (VectorStoreQuery(query_str="q", similarity_top_k=0), {}, "not 0"),
        (VectorStoreQuery(query_embedding=[1.0, 2.0]), {}, r"\(1, 16\)"),
    ],
)
def test_wrong_queries(
    store: YoutuVectorStore, query: VectorStoreQuery, options: dict[str, Any], named: str
) -> None:
    store.add([node("a")])
    with pytest.raises(InputError, match=named):
        store.query(query, **options)


# -- async ---------------------------------------------------------------------------------------------------


CALLS: set[tuple[str, int]] = set()


class Watched(YoutuVectorStore):
    """Notes which method runs in which thread."""

    def add(self, *args: Any, **kwargs: Any) -> Any:
        CALLS.add(("add", threading.get_ident()))
        return super().add(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        CALLS.add(("delete", threading.get_ident()))
        return super().delete(*args, **kwargs)

    def delete_nodes(self, *args: Any, **kwargs: Any) -> Any:
        CALLS.add(("delete_nodes", threading.get_ident()))
        return super().delete_nodes(*args, **kwargs)

    def get_nodes(self, *args: Any, **kwargs: Any) -> Any:
        CALLS.add(("get_nodes", threading.get_ident()))
        return super().get_nodes(*args, **kwargs)

    def clear(self, *args: Any, **kwargs: Any) -> Any:
        CALLS.add(("clear", threading.get_ident()))
        return super().clear(*args, **kwargs)

    def query(self, *args: Any, **kwargs: Any) -> Any:
        CALLS.add(("query", threading.get_ident()))
        return super().query(*args, **kwargs)


def test_async_methods_do_the_same_in_other_threads(tmp_path: Path, encoder: TinyEncoder) -> None:
    store = Watched.create(tmp_path / "index", encoder)
    question = VectorStoreQuery(query_str="text of b", similarity_top_k=9)

    async def work() -> None:
        assert await store.async_add([node("a", source="x"), node("b"), node("c"), node("d")]) == list("abcd")
        await store.adelete("x")
        await store.adelete_nodes(["c"])
        assert await store.aget_nodes(["d", "b"]) == [node("d"), node("b")]
        assert await store.aquery(question) == YoutuVectorStore(store.index).query(question)
        assert (await store.aquery(question)).ids == ["b", "d"]
        many = await asyncio.gather(*(store.aquery(question) for _ in range(8)))
        assert all(one == many[0] for one in many)
        await store.aclear()
        assert await store.aget_nodes() == []

    CALLS.clear()
    asyncio.run(work())
    assert {name for name, _ in CALLS} == {"add", "delete", "delete_nodes", "get_nodes", "clear", "query"}
    assert threading.get_ident() not in {thread for _, thread in CALLS}
    store.close()


def test_documents_are_nodes_too(store: YoutuVectorStore) -> None:
    store.add([Document(id_="whole", text="a whole document", metadata={"n": 1})])
    assert ids(store, "a whole document", filters=where(n=1)) == ["whole"]


def test_what_users_of_other_stores_call(tmp_path: Path, encoder: TinyEncoder) -> None:
    YoutuVectorStore.create(tmp_path / "index", encoder).close()
    for opened in (
        YoutuVectorStore.from_persist_dir(str(tmp_path / "index"), encoder=encoder),
        YoutuVectorStore.from_persist_path(tmp_path / "index", encoder=encoder, embed_metadata=True),
    ):
        assert opened.index.path == tmp_path / "index"
        opened.close()
    makes = (
        r"YoutuVectorStore\.create\(path, encoder, factory='Flat'\) makes one.*YoutuVectorStore\(path\) opens"
    )
    for call, said in (
        (
            lambda: YoutuVectorStore(faiss_index=object()),
            "'faiss_index' is not taken here: its vectors have no",
        ),
        (lambda: YoutuVectorStore(tmp_path / "index", stores_text=True), "'stores_text' is not taken here"),
        (lambda: YoutuVectorStore(), "an index must be given; "),
        (
            lambda: YoutuVectorStore.from_persist_dir("x", "default"),
            "'namespace' is not taken here: each index",
        ),
        (
            lambda: YoutuVectorStore.from_persist_path("x", fs=object()),
            "'fs' is not taken here: an index is in a",
        ),
    ):
        with pytest.raises(InputError, match=said + ".*" + makes):
            call()
