"""The store inside LlamaIndex: VectorStoreIndex, retrievers, query engines, storage contexts, pipelines."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, IndexNode, MetadataMode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters
from tiny import TinyEncoder

from llama_index.embeddings.youtu import YoutuEmbedding
from llama_index.vector_stores.youtu import YoutuVectorStore
from youtu_st.errors import IndexMismatchError

SPLITTER = SentenceSplitter(chunk_size=40, chunk_overlap=0)
PLANETS = {
    "mars.md": " ".join(f"Mars, the Red Planet, has been visited {n} times." for n in range(8)),
    "venus.md": " ".join(f"Venus is Earth's twin number {n}." for n in range(10)),
    "火星.md": "".join(f"火星是太阳系的第{n}颗行星。" for n in "一二三四五六七八"),
}


def documents() -> list[Document]:
    return [
        Document(id_=name, text=text, metadata={"file": name, "length": len(text)})
        for name, text in PLANETS.items()
    ]


@pytest.fixture
def embedding(encoder: TinyEncoder) -> YoutuEmbedding:
    return YoutuEmbedding(encoder=encoder)


@pytest.fixture
def index(store: YoutuVectorStore, embedding: YoutuEmbedding) -> VectorStoreIndex:
    """The planets, embedded as the README of the embedding says."""
    return VectorStoreIndex.from_documents(
        documents(),
        storage_context=StorageContext.from_defaults(vector_store=store),
        transformations=[SPLITTER, embedding],
        embed_model=embedding,
    )


def chunks(names: Sequence[str] = tuple(PLANETS)) -> list[tuple[str, str]]:
    """What the splitter makes of the planets: file and text."""
    nodes = SPLITTER([one for one in documents() if one.id_ in names])
    return [(node.metadata["file"], node.get_content()) for node in nodes]


def stored(store: YoutuVectorStore) -> list[tuple[str, str]]:
    nodes = store.get_nodes()
    assert all(node.ref_doc_id == node.metadata["file"] for node in nodes)
    vectors = store.index.vectors([node.node_id for node in nodes])
    own = TinyEncoder().encode_document([node.get_content() for node in nodes])
    np.testing.assert_allclose(vectors, own, atol=1e-6)  # of the text alone, however it was added
    return [(node.metadata["file"], node.get_content()) for node in nodes]


def test_from_documents_embeds_once_and_the_text_alone(
    store: YoutuVectorStore, embedding: YoutuEmbedding, encoder: TinyEncoder
) -> None:
    encoder.encoded.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VectorStoreIndex.from_documents(
            documents(),
            storage_context=StorageContext.from_defaults(vector_store=store),
            transformations=[SPLITTER, embedding],
            embed_model=embedding,
        )
    texts = [text for _, text in chunks()]
    assert len(texts) > 6
    assert encoder.encoded == [*texts, texts[0]]  # the first again, to check it
    assert stored(store) == chunks()


def test_the_usual_from_documents_gives_the_same_vectors_with_a_warning(
    store: YoutuVectorStore, embedding: YoutuEmbedding, encoder: TinyEncoder
) -> None:
    context = StorageContext.from_defaults(vector_store=store)
    with pytest.warns(UserWarning, match="Metadata does not change a vector here"):
        VectorStoreIndex.from_documents(
            documents(), storage_context=context, transformations=[SPLITTER], embed_model=embedding
        )
    assert {text for _, text in chunks()} <= {*encoder.encoded}
    assert stored(store) == chunks()


def test_another_embedding_model_is_refused(store: YoutuVectorStore) -> None:
    context = StorageContext.from_defaults(vector_store=store)
    for transformations in ([SPLITTER], [SPLITTER, YoutuEmbedding(encoder=TinyEncoder(noise=0.01))]):
        with pytest.raises(IndexMismatchError, match="tiny"):
            VectorStoreIndex.from_documents(
                documents(),
                storage_context=context,
                transformations=transformations,
                embed_model=YoutuEmbedding(encoder=TinyEncoder(noise=0.01)),
            )
    assert store.get_nodes() == []


def test_retriever(index: VectorStoreIndex, store: YoutuVectorStore, encoder: TinyEncoder) -> None:
    question = "火星是太阳系的第四颗行星。"
    rows = encoder.encode_document([text for _, text in chunks()])
    scores = rows @ encoder.encode_query([question])[0]
    order = np.argsort(-scores)
    found = index.as_retriever(similarity_top_k=4).retrieve(question)
    assert [(one.metadata["file"], one.text) for one in found] == [chunks()[i] for i in order[:4]]
    assert [one.score for one in found] == pytest.approx(scores[order[:4]].tolist(), abs=1e-6)
    assert asyncio.run(index.as_retriever(similarity_top_k=4).aretrieve(question)) == found

    of_mars = MetadataFilters(filters=[MetadataFilter(key="file", value="mars.md")])
    for options in ({"filters": of_mars}, {"doc_ids": ["mars.md"]}):
        nearest = index.as_retriever(similarity_top_k=99, **options).retrieve(question)
        assert sorted(one.text for one in nearest) == sorted(text for _, text in chunks(["mars.md"]))
    diverse = index.as_retriever(
        vector_store_query_mode="mmr", similarity_top_k=4, vector_store_kwargs={"mmr_threshold": 1.0}
    )
    assert diverse.retrieve(question) == found


def test_query_engine(index: VectorStoreIndex) -> None:
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=1)
    response = engine.query(chunks()[0][1])
    assert [one.text for one in response.source_nodes] == [chunks()[0][1]]
    assert response.source_nodes[0].score == pytest.approx(0.99, abs=0.02)
    assert chunks()[0][1] in str(response)  # the mock says what it was asked, with the context in it
    assert "file: mars.md" in str(response)


def test_insert_delete_and_insert_again(
    index: VectorStoreIndex, store: YoutuVectorStore, embedding: YoutuEmbedding
) -> None:
    index.delete_ref_doc("mars.md")
    rest = chunks(["venus.md", "火星.md"])
    assert stored(store) == rest
    moon = Document(id_="moon.md", text="The Moon is Earth's only one.", metadata={"file": "moon.md"})
    index.insert(moon)
    assert stored(store) == [*rest, ("moon.md", moon.text)]
    for name, text in stored(store):
        (found,) = index.as_retriever(similarity_top_k=1).retrieve(text)
        assert (found.metadata["file"], found.text) == (name, text)
    (node,) = store.get_nodes(filters=MetadataFilters(filters=[MetadataFilter(key="file", value="moon.md")]))
    index.delete_nodes([node.node_id])
    assert stored(store) == rest
    index.update_ref_doc(Document(id_="venus.md", text="Venus is hot.", metadata={"file": "venus.md"}))
    assert stored(store) == [*chunks(["火星.md"]), ("venus.md", "Venus is hot.")]
    asyncio.run(index.adelete_ref_doc("火星.md"))
    assert stored(store) == [("venus.md", "Venus is hot.")]


def test_persist_and_load_again(
    index: VectorStoreIndex,
    store: YoutuVectorStore,
    encoder: TinyEncoder,
    embedding: YoutuEmbedding,
    tmp_path: Path,
) -> None:
    pointer = IndexNode(
        text="points to mars",
        index_id="mars",
        metadata={"file": "p.md"},
        excluded_embed_metadata_keys=["file"],
    )
    index.insert_nodes([pointer])
    index.storage_context.persist(str(tmp_path / "storage"))
    assert not [
        one.name
        for one in (tmp_path / "storage").iterdir()
        if "vector" in one.name and "image" not in one.name
    ]
    before = index.as_query_engine(llm=MockLLM()).query("Which planet is red?")
    path, nodes = store.index.path, store.get_nodes()
    store.close()

    again = YoutuVectorStore(path, encoder=encoder)
    context = StorageContext.from_defaults(vector_store=again, persist_dir=str(tmp_path / "storage"))
    loaded = load_index_from_storage(context, embed_model=embedding)
    over = VectorStoreIndex.from_vector_store(again, embed_model=embedding)
    assert isinstance(loaded, VectorStoreIndex)
    assert again.get_nodes() == nodes
    assert (
        loaded.as_query_engine(llm=MockLLM()).query("Which planet is red?").source_nodes
        == before.source_nodes
    )
    question = chunks()[0][1]
    (found,) = over.as_retriever(similarity_top_k=1).retrieve(question)
    assert (found.text, found.node.ref_doc_id) == (question, "mars.md")
    again.close()


def test_an_empty_store_is_a_store(store: YoutuVectorStore, embedding: YoutuEmbedding) -> None:
    """LlamaIndex asks ``if vector_store``: one with a length of 0 would give way to a store in memory."""
    assert StorageContext.from_defaults(vector_store=store).vector_store is store
    assert VectorStoreIndex.from_vector_store(store, embed_model=embedding).as_retriever().retrieve("x") == []


def test_ingestion_pipeline(store: YoutuVectorStore, embedding: YoutuEmbedding, encoder: TinyEncoder) -> None:
    pipeline = IngestionPipeline(
        transformations=[SPLITTER, embedding],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )
    nodes = pipeline.run(documents=documents())
    assert [node.get_content(MetadataMode.EMBED) for node in nodes] == [text for _, text in chunks()]
    assert stored(store) == chunks()
    encoder.encoded.clear()
    pipeline.run(documents=documents())
    assert encoder.encoded == []
    assert stored(store) == chunks()
    changed = documents()
    changed[1].set_content("Venus is hot.")
    pipeline.run(documents=[changed[1], changed[2]])  # and mars.md is gone
    assert sorted(stored(store)) == sorted([*chunks(["火星.md"]), ("venus.md", "Venus is hot.")])


def test_asynchronous_pipeline_and_index(store: YoutuVectorStore, embedding: YoutuEmbedding) -> None:
    async def work() -> None:
        await IngestionPipeline(transformations=[SPLITTER, embedding], vector_store=store).arun(
            documents=documents()[:1]
        )
        index = VectorStoreIndex.from_vector_store(
            store, embed_model=embedding, transformations=[SPLITTER, embedding]
        )
        await index.ainsert(documents()[1])
        assert stored(store) == chunks(["mars.md", "venus.md"])
        found = await index.as_retriever(similarity_top_k=1).aretrieve(chunks()[0][1])
        assert found[0].text == chunks()[0][1]

    asyncio.run(work())


def test_what_other_tools_wrote_is_found(store: YoutuVectorStore, index: VectorStoreIndex) -> None:
    """Such as the command or LangChain, beside LlamaIndex's own nodes."""
    store.index.add(["Jupiter is the largest."], ["other-tool"], [{"source": "jupiter.md"}])
    (found,) = index.as_retriever(similarity_top_k=1).retrieve("Jupiter is the largest.")
    assert (found.node_id, found.node.ref_doc_id) == ("other-tool", "jupiter.md")
    index.delete_ref_doc("jupiter.md")
    assert "other-tool" not in store.index


@pytest.mark.parametrize("steps", ["splitter", "splitter, embedding", "embedding"])
def test_refresh_encodes_what_has_changed(
    tmp_path: Path, encoder: TinyEncoder, embedding: YoutuEmbedding, steps: str
) -> None:
    """Also when everything was closed in between: LlamaIndex's own index knew nothing, and added all again."""
    parts = {"splitter": SPLITTER, "embedding": embedding}
    options = {"embed_model": embedding, "transformations": [parts[name] for name in steps.split(", ")]}
    store = YoutuVectorStore.create(tmp_path / "index", encoder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of double work, without the embedding as a transformation
        assert store.as_index(**options).refresh_ref_docs(documents()) == [True, True, True]
    whole = sorted(node.get_content() for node in store.get_nodes())
    store.close()

    store = YoutuVectorStore(tmp_path / "index", encoder=encoder)
    assert store.document_hashes() == {one.id_: one.hash for one in documents()}
    encoder.encoded.clear()
    again = store.as_index(**options)
    assert again.refresh_ref_docs(documents()) == [False, False, False]
    assert asyncio.run(again.arefresh_ref_docs(documents())) == [False, False, False]
    assert encoder.encoded == []
    assert sorted(node.get_content() for node in store.get_nodes()) == whole

    changed = [*documents(), Document(id_="new", text="Pluto is small.")]
    changed[1].set_content("Venus is hot.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert again.refresh_ref_docs(changed) == [False, True, False, True]
    assert {text.split()[-1] for text in encoder.encoded} == {"hot.", "small."}
    names = {"venus.md": ["Venus is hot."], "new": ["Pluto is small."]}
    for name, texts in names.items():
        of = [one for one in store.get_nodes() if name in (one.ref_doc_id, one.node_id)]
        assert [one.get_content() for one in of] == texts
    store.close()


def test_refresh_puts_right_what_was_added_twice(
    store: YoutuVectorStore, index: VectorStoreIndex, embedding: YoutuEmbedding
) -> None:
    options = {"embed_model": embedding, "transformations": [SPLITTER, embedding]}
    store.index.add(["An old line."], metadata=[{"source": "old.md"}])  # by another tool, of what it was then
    other = VectorStoreIndex.from_vector_store(store, **options)
    changed = documents()[0]
    changed.set_content("Mars has two moons.")
    other.insert(changed)
    old = Document(id_="old.md", text="A new line.")
    assert store.as_index(**options).refresh_ref_docs([*documents(), old]) == [True, False, False, True]
    assert [node.get_content() for node in store.get_nodes() if node.ref_doc_id == "old.md"] == [
        "A new line."
    ]
    mars = [
        (node.ref_doc_id, node.get_content()) for node in store.get_nodes() if node.ref_doc_id == "mars.md"
    ]
    assert sorted(mars) == sorted(chunks(["mars.md"]))


def test_a_pipeline_leaves_what_has_not_changed(
    store: YoutuVectorStore, index: VectorStoreIndex, embedding: YoutuEmbedding, encoder: TinyEncoder
) -> None:
    docstore = SimpleDocumentStore()
    docstore.set_document_hashes(store.document_hashes())
    pipeline = IngestionPipeline(
        transformations=[SPLITTER, embedding],
        vector_store=store,
        docstore=docstore,
        docstore_strategy=DocstoreStrategy.UPSERTS,
    )
    encoder.encoded.clear()
    changed = documents()
    changed[1].set_content("Venus is hot.")
    pipeline.run(documents=changed)
    assert encoder.encoded == ["Venus is hot."]
    assert len([node for node in store.get_nodes() if node.ref_doc_id == "venus.md"]) == 1
