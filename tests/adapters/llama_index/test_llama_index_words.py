"""LlamaIndex's query modes by words, ``text_match`` on texts, embeddings where asked for, and times."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timezone
from typing import Any

import numpy as np
import pytest
from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.schema import Document, TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from tiny import TinyEncoder

from llama_index.embeddings.youtu import YoutuEmbedding
from llama_index.vector_stores.youtu import YoutuRetriever, YoutuVectorStore
from youtu_st.errors import FilterError, InputError, VectorIndexError
from youtu_st.retriever import Retriever

Op = FilterOperator
TEXTS = {
    "rhine": "The Rhine flows north.",
    "mars": "Mars is the red planet.",
    "mars-zh": "红色的火星很冷。",
    "both": "Rivers and planets.",
    "wine": "Red wine",
}
QUESTION = "red planet"


@pytest.fixture
def filled(store: YoutuVectorStore, encoder: TinyEncoder) -> YoutuVectorStore:
    nodes = [
        TextNode(id_=id, text=text, metadata={"n": n, "tags": [id]})
        for n, (id, text) in enumerate(TEXTS.items())
    ]
    store.add(nodes)
    encoder.encoded.clear()
    return store


def ask(store: YoutuVectorStore, mode: str, **options: Any) -> list[str]:
    query = VectorStoreQuery(mode=VectorStoreQueryMode(mode), **options)
    found = store.query(query)
    assert asyncio.run(store.aquery(query)) == found
    assert [node.node_id for node in found.nodes or []] == found.ids
    return found.ids or []


@pytest.mark.parametrize("mode", ["text_search", "sparse"])
def test_by_words_nothing_is_encoded(filled: YoutuVectorStore, encoder: TinyEncoder, mode: str) -> None:
    hits = filled.index.search(QUESTION, 3, mode="lexical")
    expected = [hit.id for hit in hits]
    assert ask(filled, mode, query_str=QUESTION, similarity_top_k=3) == expected
    assert ask(filled, mode, query_str=QUESTION, similarity_top_k=9, sparse_top_k=1) == expected[:1]
    assert ask(filled, mode, query_str="火星", query_embedding=[0.0] * 16) == ["mars-zh"]
    of = MetadataFilters(filters=[MetadataFilter(key="n", value=4)])
    assert ask(filled, mode, query_str=QUESTION, similarity_top_k=3, filters=of) == ["wine"]
    assert ask(filled, mode, query_str=QUESTION, similarity_top_k=3, node_ids=["wine", "rhine"]) == ["wine"]
    index = VectorStoreIndex.from_vector_store(filled, YoutuEmbedding(encoder=encoder))
    retriever = index.as_retriever(vector_store_query_mode=mode, similarity_top_k=3)
    for found in (retriever.retrieve(QUESTION), asyncio.run(retriever.aretrieve(QUESTION))):
        assert [(one.node_id, one.score) for one in found] == [(hit.id, hit.score) for hit in hits]
    assert encoder.encoded == []
    with pytest.raises(InputError, match=f"of mode '{mode}' looks for words: it must have query_str"):
        ask(filled, mode, query_embedding=[1.0] * 16)


@pytest.mark.parametrize("alpha", [None, 0.0, 0.2, 1.0])
def test_by_words_and_meaning(filled: YoutuVectorStore, encoder: TinyEncoder, alpha: float | None) -> None:
    given = TinyEncoder().encode_query([QUESTION], instruction="another")[0]
    how: dict[str, Any] = {"mode": "hybrid", "weight": 0.5 if alpha is None else alpha}
    expected = [hit.id for hit in filled.index.search(given, 5, words=QUESTION, **how)]
    options: dict[str, Any] = {"query_str": QUESTION, "query_embedding": given.tolist(), "alpha": alpha}
    assert ask(filled, "hybrid", similarity_top_k=5, **options) == expected
    assert (
        ask(filled, "hybrid", similarity_top_k=9, hybrid_top_k=2, sparse_top_k=1, **options) == expected[:2]
    )
    assert encoder.encoded == []
    if alpha == 1:
        assert ask(filled, "default", query_embedding=given.tolist(), similarity_top_k=5) == expected
    if alpha == 0:
        assert ask(filled, "sparse", query_str=QUESTION, similarity_top_k=5) == expected
    own = [hit.id for hit in filled.index.search(QUESTION, 5, **how)]
    assert ask(filled, "hybrid", query_str=QUESTION, alpha=alpha, similarity_top_k=5) == own
    with pytest.raises(InputError, match="'hybrid' looks for words"):
        ask(filled, "hybrid", query_embedding=given.tolist())


def test_an_engine_and_a_retriever_end_to_end(filled: YoutuVectorStore, encoder: TinyEncoder) -> None:
    index = VectorStoreIndex.from_vector_store(filled, YoutuEmbedding(encoder=encoder))
    engine = index.as_query_engine(
        llm=MockLLM(), vector_store_query_mode="hybrid", alpha=0.5, similarity_top_k=2
    )
    hits = filled.index.search(QUESTION, 2, mode="hybrid")
    for response in (engine.query(QUESTION), asyncio.run(engine.aquery(QUESTION))):
        assert [(one.node_id, one.score) for one in response.source_nodes] == [
            (hit.id, pytest.approx(hit.score)) for hit in hits
        ]
        assert hits[0].text in str(response)
    lexical = VectorStoreIndex.from_vector_store(filled, MockEmbedding(16))
    found = lexical.as_retriever(vector_store_query_mode="text_search").retrieve(QUESTION)
    assert found[0].node_id == "mars"


@pytest.mark.parametrize("mode", ["svm", "semantic_hybrid", "linear_regression"])
def test_other_modes_are_refused(filled: YoutuVectorStore, mode: str) -> None:
    message = f"must be one of default, mmr, hybrid, text_search, sparse here, not '{mode}'"
    with pytest.raises(InputError, match=message):
        ask(filled, mode, query_str=QUESTION)
    with pytest.raises(InputError, match="alpha must be"):
        ask(filled, "hybrid", query_str=QUESTION, alpha=1.5)


@pytest.mark.parametrize("mode", ["default", "mmr", "hybrid", "text_search", "sparse", "lexical"])
def test_a_mode_may_be_a_plain_str(filled: YoutuVectorStore, mode: Any) -> None:
    vector = filled.index.encoder.encode_query([QUESTION])[0].tolist()
    if mode == "lexical":
        with pytest.raises(InputError, match="must be one of default, .* here, not 'lexical'"):
            filled.query(VectorStoreQuery(mode=mode, query_str=QUESTION))
        return
    found = filled.query(VectorStoreQuery(mode=mode, query_str=QUESTION, query_embedding=vector))
    assert found.ids == ask(filled, mode, query_str=QUESTION, query_embedding=vector)
    if mode not in ("default", "mmr"):
        with pytest.raises(
            InputError, match=f"a query of mode '{mode}' looks for words: it must have query_str"
        ):
            filled.query(VectorStoreQuery(mode=mode, query_embedding=vector))


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_the_retriever_of_two_stages(filled: YoutuVectorStore, encoder: TinyEncoder, mode: Any) -> None:
    retriever = YoutuRetriever(Retriever(filled.index), similarity_top_k=3, mode=mode, alpha=0.2)
    hits = filled.index.search(QUESTION, 3, mode=mode, weight=0.2)
    encoder.encoded.clear()
    for found in (retriever.retrieve(QUESTION), asyncio.run(retriever.aretrieve(QUESTION))):
        assert [(one.node_id, one.score) for one in found] == [(hit.id, hit.score) for hit in hits]
    assert bool(encoder.encoded) == (mode == "hybrid")
    for wrong, message in (({"mode": "words"}, "mode must be one of"), ({"alpha": 1.5}, "alpha must be")):
        with pytest.raises(InputError, match=message):
            YoutuRetriever(Retriever(filled.index), **wrong)


def test_an_index_without_words_says_so(tmp_path: Any, encoder: TinyEncoder) -> None:
    store = YoutuVectorStore.create(tmp_path / "plain", encoder, lexical=False)
    store.add([TextNode(text="one")])
    for mode in ("sparse", "hybrid"):
        with pytest.raises(VectorIndexError, match="it has no words"):
            ask(store, mode, query_str="one")
    store.close()


def test_nodes_come_with_embeddings_where_asked(filled: YoutuVectorStore) -> None:
    own = TinyEncoder().encode_document(list(TEXTS.values()))
    assert all(node.embedding is None for node in filled.get_nodes())
    for nodes in (
        filled.get_nodes(include_embeddings=True),
        asyncio.run(filled.aget_nodes(include_embeddings=True)),
    ):
        np.testing.assert_allclose([node.get_embedding() for node in nodes], own, atol=1e-6)
        assert type(nodes[0].get_embedding()[0]) is float
    (one,) = filled.get_nodes(["wine", "nobody"], include_embeddings=True)
    np.testing.assert_allclose(one.get_embedding(), own[4], atol=1e-6)
    assert filled.get_nodes(["nobody"], include_embeddings=True) == []
    query = VectorStoreQuery(query_str=TEXTS["mars"], similarity_top_k=2)
    assert all(node.embedding is None for node in filled.query(query).nodes or [])
    asked = VectorStoreQuery(query_str=TEXTS["mars"], similarity_top_k=2, output_fields=["embedding"])
    for found in (filled.query(asked), filled.query(query, include_embeddings=True)):
        assert [node.node_id for node in found.nodes or []] == filled.query(query).ids
        np.testing.assert_allclose((found.nodes or [])[0].get_embedding(), own[1], atol=1e-6)
    with pytest.raises(InputError, match="must be mmr_threshold or include_embeddings, not 'embeddings'"):
        filled.query(query, embeddings=True)


def test_nodes_with_their_embeddings_are_taken_by_another_store(
    filled: YoutuVectorStore, encoder: TinyEncoder, tmp_path: Any
) -> None:
    other = YoutuVectorStore.create(tmp_path / "other", encoder)
    encoder.encoded.clear()
    other.add(filled.get_nodes(include_embeddings=True))
    assert len(encoder.encoded) < 2 * len(TEXTS)  # a few to compare
    np.testing.assert_allclose(other.index.vectors(list(TEXTS)), filled.index.vectors(list(TEXTS)), atol=1e-6)
    other.close()


def matching(store: YoutuVectorStore, key: str, operator: Op, value: Any) -> list[str]:
    filters = MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])
    return [node.node_id for node in store.get_nodes(filters=filters)]


def test_text_match_on_a_nodes_text(filled: YoutuVectorStore) -> None:
    assert matching(filled, "text", Op.TEXT_MATCH, "Red") == ["wine"]
    assert matching(filled, "text", Op.TEXT_MATCH_INSENSITIVE, "RED") == ["mars", "wine"]
    assert matching(filled, "text", Op.TEXT_MATCH, "火星") == ["mars-zh"]
    assert matching(filled, "text", Op.EQ, "Red wine") == []  # to others, a field of the metadata
    filled.add([TextNode(id_="own", text="Red too", metadata={"text": "blue"})])
    assert matching(filled, "text", Op.TEXT_MATCH, "Red") == ["wine"]
    assert matching(filled, "text", Op.TEXT_MATCH_INSENSITIVE, "BLUE") == ["own"]
    with pytest.raises(FilterError, match="'text_match' on 'text' must have a string"):
        matching(filled, "text", Op.TEXT_MATCH, 1)


def test_contains_is_in_a_list_or_in_a_string(filled: YoutuVectorStore) -> None:
    filled.add([TextNode(id_="own", text="own", metadata={"tags": "wine and bread", "n": [1, 2]})])
    assert matching(filled, "tags", Op.CONTAINS, "wine") == ["wine", "own"]
    assert matching(filled, "tags", Op.CONTAINS, "win") == ["own"]
    assert matching(filled, "n", Op.CONTAINS, 2) == ["own"]


def test_times_in_metadata_come_back_as_times(store: YoutuVectorStore) -> None:
    when = {
        "at": datetime(2024, 5, 1, 12, tzinfo=timezone.utc),
        "days": [date(2024, 5, 1)],
        "said": "2024-05-01",
    }
    document = Document(id_="d", text="A day.", metadata=when)
    store.add([document, TextNode(id_="n", text="Another.", metadata={"at": datetime(2024, 5, 1)})])
    first, second = store.get_nodes()
    assert first.metadata == when
    assert first == document
    assert second.metadata == {"at": datetime(2024, 5, 1)}
    assert store.index.ids({"at": {"$lt": datetime(2024, 5, 1, 11)}}) == ["n"]


@pytest.mark.parametrize(
    ("operator", "expected"),
    [(Op.GT, ["late"]), (Op.GTE, ["noon", "late"]), (Op.LT, ["early"]), (Op.LTE, ["early", "noon"])],
)
def test_before_and_after_are_in_time(store: YoutuVectorStore, operator: Op, expected: list[str]) -> None:
    """Which order these texts do not have as texts."""
    times = {"early": "2024-05-01T23:59+12:00", "noon": "2024-05-01T10:00-02:00", "late": "2024-05-01T12:01Z"}
    store.add([TextNode(id_=id, text=id, metadata={"at": at}) for id, at in times.items()])
    store.add([TextNode(id_="none", text="none", metadata={"at": "zebra"})])
    assert matching(store, "at", operator, "2024-05-01T12:00:00Z") == expected
    assert matching(store, "at", Op.GT, "yesterday") == ["none"]  # no time: texts as texts


def test_a_document_that_was_stored_whole_is_its_own(store: YoutuVectorStore) -> None:
    store.add([Document(id_="a", text="one"), Document(id_="b", text="two"), TextNode(id_="c", text="three")])
    assert ask(store, "default", query_str="one", similarity_top_k=5, doc_ids=["a", "c"]) == ["a"]
    store.delete("c")  # no document, and of none
    assert len(store.get_nodes()) == 3
    (document,) = store.index.get(["b"])
    assert document is not None
    document.metadata["__llama_index__"]["document"] = None  # as an earlier release has it
    store.index.add([document.text], ["b"], [document.metadata])
    for id in "ab":
        store.delete(id)
    assert [node.node_id for node in store.get_nodes()] == ["c"]


def count(encoder: TinyEncoder, texts: list[str]) -> None:
    assert [text for text in encoder.encoded if not text.startswith("probe")] == texts
    encoder.encoded.clear()


@pytest.mark.parametrize("slow", [False, True], ids=["now", "async"])
def test_what_is_encoded_when_documents_change(
    store: YoutuVectorStore, encoder: TinyEncoder, slow: bool
) -> None:
    embedding = YoutuEmbedding(encoder=encoder)
    store.add([TextNode(id_="first", text="first")])  # whose check of the encoder is behind us
    index = store.as_index(embedding, transformations=[embedding])
    one, two = (Document(id_=name, text=f"Text {name}.") for name in ("one", "two"))

    def do(name: str, *given: Any, **options: Any) -> Any:
        if slow:
            return asyncio.run(getattr(index, f"a{name}")(*given, **options))
        return getattr(index, name)(*given, **options)

    encoder.encoded.clear()
    do("insert", one)
    do("insert", two)
    assert set(encoder.encoded) == {one.text, two.text}
    assert len(encoder.encoded) <= 3  # the first embedding that is handed in is compared once
    encoder.encoded.clear()
    assert do("refresh_ref_docs", [one, two]) == [False, False]
    count(encoder, [])
    changed = Document(id_="two", text="Text 2.")
    do("update_ref_doc", changed)
    count(encoder, ["Text 2."])
    assert sorted(node.get_content() for node in store.get_nodes()) == ["Text 2.", "Text one.", "first"]
    assert do("refresh_ref_docs", [one, changed, Document(id_="three", text="Text 3.")]) == [
        False,
        False,
        True,
    ]
    count(encoder, ["Text 3."])
    do("delete_ref_doc", "one", delete_from_docstore=True)
    count(encoder, [])
    assert sorted(node.get_content() for node in store.get_nodes()) == ["Text 2.", "Text 3.", "first"]
    again = store.as_index(embedding, transformations=[embedding])
    assert again.refresh_ref_docs([one, changed]) == [True, False]
    count(encoder, [one.text])
