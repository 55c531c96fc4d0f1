"""A str where a list belongs is an error in one line, wherever texts, ids or documents are handed over."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery

sys.path.append(str(Path(__file__).parents[1] / "index"))  # tiny.py, the encoder of the index's tests

from tiny import TinyEncoder

from langchain_youtu import YoutuEmbeddings
from langchain_youtu import YoutuVectorStore as LangChainStore
from llama_index.embeddings.youtu import YoutuEmbedding
from llama_index.vector_stores.youtu import YoutuVectorStore as LlamaIndexStore
from youtu_st.errors import InputError
from youtu_st.index import VectorIndex

FILTERS = MetadataFilters(filters=[MetadataFilter(key="n", value=1)])
QUERY = {"query_str": "question", "similarity_top_k": 2}

LANGCHAIN: dict[str, Callable[[YoutuEmbeddings, LangChainStore, Any], Any]] = {
    "embed_documents": lambda embeddings, _, given: embeddings.embed_documents(given),
    "aembed_documents": lambda embeddings, _, given: embeddings.aembed_documents(given),
    "embed_query": lambda embeddings, _, given: embeddings.embed_query([given]),
    "aembed_query": lambda embeddings, _, given: embeddings.aembed_query([given]),
    "from_texts": lambda embeddings, _, given: LangChainStore.from_texts(given, embeddings),
    "afrom_texts": lambda embeddings, _, given: LangChainStore.afrom_texts(given, embeddings),
    "from_documents": lambda embeddings, _, given: LangChainStore.from_documents(given, embeddings),
    "afrom_documents": lambda embeddings, _, given: LangChainStore.afrom_documents([given], embeddings),
    "add_documents": lambda _, store, given: store.add_documents(given),
    "aadd_documents": lambda _, store, given: store.aadd_documents([given]),
    "add_texts": lambda _, store, given: store.add_texts(given),
    "aadd_texts": lambda _, store, given: store.aadd_texts(given),
    "add_texts(ids=)": lambda _, store, given: store.add_texts(["a", "b", "c"], ids=given),
    "add_texts(metadatas=)": lambda _, store, given: store.add_texts(["a", "b", "c"], given),
    "delete": lambda _, store, given: store.delete(given),
    "adelete": lambda _, store, given: store.adelete(given),
    "get_by_ids": lambda _, store, given: store.get_by_ids(given),
    "aget_by_ids": lambda _, store, given: store.aget_by_ids(given),
}
LLAMA_INDEX: dict[str, Callable[[YoutuEmbedding, LlamaIndexStore, Any], Any]] = {
    "get_text_embedding_batch": lambda model, _, given: model.get_text_embedding_batch(given),
    "aget_text_embedding_batch": lambda model, _, given: model.aget_text_embedding_batch(given),
    "get_text_embedding": lambda model, _, given: model.get_text_embedding([given]),
    "aget_text_embedding": lambda model, _, given: model.aget_text_embedding([given]),
    "get_query_embedding": lambda model, _, given: model.get_query_embedding([given]),
    "aget_query_embedding": lambda model, _, given: model.aget_query_embedding([given]),
    "get_agg": lambda model, _, given: model.get_agg_embedding_from_queries(given),
    "aget_agg": lambda model, _, given: model.aget_agg_embedding_from_queries(given),
    "__call__": lambda model, _, given: model(given),
    "acall": lambda model, _, given: model.acall(given),
    "add": lambda _, store, given: store.add(given),
    "async_add": lambda _, store, given: store.async_add(given),
    "delete_nodes": lambda _, store, given: store.delete_nodes(given),
    "delete_nodes(filters=)": lambda _, store, given: store.delete_nodes(given, FILTERS),
    "adelete_nodes": lambda _, store, given: store.adelete_nodes(given, FILTERS),
    "get_nodes": lambda _, store, given: store.get_nodes(given),
    "get_nodes(filters=)": lambda _, store, given: store.get_nodes(given, FILTERS),
    "aget_nodes": lambda _, store, given: store.aget_nodes(given, FILTERS),
    "query(node_ids=)": lambda _, store, given: store.query(VectorStoreQuery(node_ids=given, **QUERY)),
    "query(doc_ids=)": lambda _, store, given: store.query(VectorStoreQuery(doc_ids=given, **QUERY)),
    "aquery(doc_ids=)": lambda _, store, given: store.aquery(VectorStoreQuery(doc_ids=given, **QUERY)),
}
INDEX: dict[str, Callable[[VectorIndex, Any], Any]] = {
    "add": lambda index, given: index.add(given),
    "add(ids=)": lambda index, given: index.add(["a", "b", "c"], given),
    "add(metadata=)": lambda index, given: index.add(["a", "b", "c"], metadata=given),
    "search_many": lambda index, given: index.search_many(given),
    "search(ids=)": lambda index, given: index.search("a", ids=given),
    "search_diverse(ids=)": lambda index, given: index.search_diverse("a", ids=given),
    "delete": lambda index, given: index.delete(given),
    "get": lambda index, given: index.get(given),
    "vectors": lambda index, given: index.vectors(given),
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorIndex]:
    encoder = TinyEncoder()  # which checks nothing itself
    with VectorIndex.create(tmp_path_factory.mktemp("lists") / "index", encoder) as made:
        made.add(["a", "b", "c"], ["a", "b", "c"], [{"n": 1}] * 3)
        yield made


@pytest.mark.parametrize("given", ["abc", b"abc"], ids=["str", "bytes"])
def test_one_str_is_no_list(index: VectorIndex, given: str | bytes) -> None:
    langchain = YoutuEmbeddings(encoder=index.encoder), LangChainStore(index)
    llama_index = YoutuEmbedding(encoder=index.encoder), LlamaIndexStore(index)
    calls = {f"LangChain {name}": lambda c=call: c(*langchain, given) for name, call in LANGCHAIN.items()}
    calls |= {
        f"LlamaIndex {name}": lambda c=call: c(*llama_index, given) for name, call in LLAMA_INDEX.items()
    }
    calls |= {f"index {name}": lambda c=call: c(index, given) for name, call in INDEX.items()}
    for name, call in calls.items():
        with pytest.raises(InputError) as caught:
            asyncio.run(done(call))
        line = str(caught.value)
        assert "\n" not in line, name
        assert "must be" in line, (name, line)
    assert index.ids() == ["a", "b", "c"]


async def done(call: Callable[[], Any]) -> None:
    result = call()
    if inspect.isawaitable(result):
        await result


def test_lists_of_the_same_are_taken(index: VectorIndex) -> None:
    model = YoutuEmbedding(encoder=index.encoder)
    assert (
        len(model.get_text_embedding_batch(["abc"]))
        == len(asyncio.run(model.aget_text_embedding_batch(["abc"])))
        == 1
    )
    assert len(YoutuEmbeddings(encoder=index.encoder).embed_documents(("abc", "d"))) == 2
    query = model.get_agg_embedding_from_queries(["abc"])
    assert query == pytest.approx(model.get_query_embedding("abc"))
    store = LlamaIndexStore(index)
    assert [node.node_id for node in store.get_nodes(["c", "x", "a"], FILTERS)] == ["c", "a"]
    assert store.add([TextNode(id_="d", text="d")]) == ["d"]
