"""Folders that LlamaIndex has persisted, with FAISS and with its simple store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import InputError
from youtu_st.index import VectorIndex
from youtu_st.index.exchange import import_index, open_source

pytest.importorskip("llama_index.vector_stores.faiss")

from llama_index.core import Document as LlamaDocument
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import BaseNode, ImageNode, IndexNode, MetadataMode, TextNode
from llama_index.vector_stores.faiss import FaissMapVectorStore, FaissVectorStore

from llama_index.vector_stores.youtu.nodes import to_document, to_node

ENCODER = TinyEncoder()


class Ours(BaseEmbedding):
    """Vectors of the encoder."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return ENCODER.encode_document([text])[0].tolist()  # type: ignore[no-any-return]

    def _get_query_embedding(self, query: str) -> list[float]:
        return ENCODER.encode_query([query])[0].tolist()  # type: ignore[no-any-return]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


def store(kind: str) -> Any:
    if kind == "faiss":
        return FaissVectorStore(faiss_index=faiss.IndexFlatL2(16))
    if kind == "faiss, inner product":
        return FaissVectorStore(faiss_index=faiss.IndexHNSWFlat(16, 8, faiss.METRIC_INNER_PRODUCT))
    return FaissMapVectorStore(faiss_index=faiss.IndexIDMap2(faiss.IndexFlatL2(16)))


def persisted(folder: Path, kind: str) -> list[BaseNode]:
    """A folder, and the nodes that are in it."""
    context = (
        StorageContext.from_defaults()
        if kind == "simple"
        else StorageContext.from_defaults(vector_store=store(kind))
    )
    documents = [
        LlamaDocument(text="The Rhine flows north. " * 3, metadata={"lang": "en", "year": 2020}, id_="rhine"),
        LlamaDocument(
            text="Der Neckar.",
            metadata={"lang": "de", "secret": "x"},
            id_="neckar",
            excluded_embed_metadata_keys=["secret"],
            metadata_template="<{key}={value}>",
            metadata_separator=" ",
            text_template="{metadata_str} | {content} | {other}".replace(" | {other}", ""),
        ),
    ]
    index = VectorStoreIndex.from_documents(
        documents, storage_context=context, embed_model=Ours(), store_nodes_override=True
    )
    index.insert_nodes(
        [
            TextNode(text="plain", id_="p1"),
            IndexNode(text="index node", id_="p2", index_id="i", metadata={"k": [1, 2]}),
            ImageNode(text="a picture", id_="p3", image_path="x.png"),
        ]
    )
    context.persist(str(folder))
    return list(index.docstore.docs.values())


@pytest.mark.parametrize("kind", ["faiss", "faiss, inner product", "faiss with a map", "simple"])
def test_nodes_come_back_as_they_were(kind: str, tmp_path: Path) -> None:
    nodes = persisted(tmp_path / "li", kind)
    source = open_source(tmp_path / "li")
    assert (source.count, source.dimension) == (5, 16)
    done = import_index(source, tmp_path / "idx", ENCODER)
    assert done.agreement is not None
    assert done.agreement.least > 0.99999
    with VectorIndex.open(tmp_path / "idx", ENCODER) as index:
        assert sorted(index.ids()) == sorted(node.node_id for node in nodes)
        for node in nodes:
            (found,) = index.get([node.node_id])
            assert found is not None
            assert to_node(found) == node
            assert to_document(to_node(found)) == to_document(node)
            embedded = ENCODER.encode_document([node.get_content(MetadataMode.EMBED)])
            assert index.vectors([node.node_id]) == pytest.approx(embedded, abs=1e-6)
        assert index.ids({"lang": "de"}) == [
            node.node_id for node in nodes if node.metadata.get("lang") == "de"
        ]


@pytest.mark.parametrize("kind", ["faiss", "faiss with a map", "simple"])
def test_encoded_again_they_are_what_llama_index_would_encode(kind: str, tmp_path: Path) -> None:
    nodes = persisted(tmp_path / "li", kind)
    import_index(open_source(tmp_path / "li", vectors=False), tmp_path / "idx", ENCODER, encode=True)
    with VectorIndex.open(tmp_path / "idx", ENCODER) as index:
        for node in nodes:
            embedded = ENCODER.encode_document([node.get_content(MetadataMode.EMBED)])
            assert np.array_equal(index.vectors([node.node_id]), embedded)


def test_vectors_of_the_bare_texts_are_taken_too(tmp_path: Path) -> None:
    """Whoever made vectors of the text alone has them compared with the text alone."""
    nodes = persisted(tmp_path / "li", "simple")
    path = tmp_path / "li" / "default__vector_store.json"
    content = json.loads(path.read_text())
    for node in nodes:
        content["embedding_dict"][node.node_id] = ENCODER.encode_document([node.get_content()])[0].tolist()
    path.write_text(json.dumps(content))
    done = import_index(open_source(tmp_path / "li"), tmp_path / "idx", ENCODER)
    assert done.agreement is not None
    assert done.agreement.least > 0.99999


@pytest.mark.parametrize("content", [{}, {"embedding_dict": {}}])
def test_a_store_without_vectors_has_no_documents(content: dict[str, Any], tmp_path: Path) -> None:
    nodes = persisted(tmp_path / "li", "simple")
    (tmp_path / "li" / "default__vector_store.json").write_text(json.dumps(content))
    source = open_source(tmp_path / "li")
    assert source.notes == [
        f"left out, as default__vector_store.json has no vector of them: {len(nodes)} nodes"
    ]
    assert import_index(source, tmp_path / "idx", ENCODER).documents == 0
    with VectorIndex.open(tmp_path / "idx", ENCODER) as index:
        assert len(index) == 0


def test_nodes_without_vectors_are_told_of(tmp_path: Path) -> None:
    nodes = persisted(tmp_path / "li", "simple")
    path = tmp_path / "li" / "default__vector_store.json"
    content = json.loads(path.read_text())
    assert open_source(tmp_path / "li").notes == []
    for node in nodes[:2]:
        del content["embedding_dict"][node.node_id]
    path.write_text(json.dumps(content))
    source = open_source(tmp_path / "li")
    assert source.count == len(nodes) - 2
    assert source.notes == ["left out, as default__vector_store.json has no vector of them: 2 nodes"]


def test_mistakes(tmp_path: Path) -> None:
    persisted(tmp_path / "li", "faiss")
    docstore, indexes = tmp_path / "li" / "docstore.json", tmp_path / "li" / "index_store.json"
    nodes, kept = json.loads(docstore.read_text()), json.loads(indexes.read_text())
    ((name, index),) = kept["index_store/data"].items()
    data = json.loads(index["__data__"])
    first = data["nodes_dict"]["0"]

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            open_source(tmp_path / "li")
        assert "\n" not in str(caught.value)

    indexes.write_text(json.dumps({"index_store/data": {name: index, "more": index}}))
    refused("index_store.json has 2 vector indexes, and must have one")
    data["nodes_dict"]["9"] = "x"
    index["__data__"] = json.dumps(data)
    indexes.write_text(json.dumps(kept))
    refused("it names 6 nodes, and default__vector_store.json has 5 vectors")
    index["__data__"] = "{"
    indexes.write_text(json.dumps(kept))
    refused("index_store.json is no JSON")
    del data["nodes_dict"]["9"]
    index["__data__"] = json.dumps(data)
    indexes.write_text(json.dumps(kept))
    del nodes["docstore/data"][first]
    docstore.write_text(json.dumps(nodes))
    refused(f"there is no node '{first}', which has a vector")
    nodes["docstore/data"][first] = {"__data__": {"relationships": 7}}
    docstore.write_text(json.dumps(nodes))
    refused("is not what LlamaIndex writes")
    docstore.write_text("[1]")
    refused("docstore.json must be a dict, not a list")
    docstore.write_text("[" * 100_000)
    refused("docstore.json is no JSON")
