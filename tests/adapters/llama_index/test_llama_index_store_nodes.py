"""Nodes come back as they went in, and other tools' documents come back as text nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.types import VectorStoreQuery
from tiny import TinyEncoder

from llama_index.vector_stores.youtu import YoutuVectorStore
from youtu_st.errors import IndexDamagedError, InputError

SOURCE = Document(id_="doc", text="来源", metadata={"tags": ["a"], "页": 1})
PLAIN = TextNode(id_="plain", text="  spaces stay, \n\nand lines \t")

NODES: list[BaseNode] = [
    PLAIN,
    TextNode(id_="zh", text="火星是太阳系的第四颗行星。🪐", metadata={"语言": "中文", "emoji": "🪐"}),
    TextNode(
        id_="nested",
        text="nested",
        metadata={"a": {"b": [1, 2.5, None, True, {"c": "d"}]}, "empty": [], "none": None, "big": 2**60},
    ),
    TextNode(
        id_="all",
        text="everything set",
        metadata={"file": "x.md", "secret": "s"},
        excluded_embed_metadata_keys=["secret"],
        excluded_llm_metadata_keys=["file"],
        metadata_template="<{key}={value}>",
        metadata_separator=" | ",
        text_template="[{metadata_str}] {content}",
        mimetype="text/markdown",
        start_char_idx=3,
        end_char_idx=17,
        relationships={
            NodeRelationship.SOURCE: SOURCE.as_related_node_info(),
            NodeRelationship.PREVIOUS: PLAIN.as_related_node_info(),
            NodeRelationship.NEXT: RelatedNodeInfo(node_id="later"),
            NodeRelationship.PARENT: RelatedNodeInfo(node_id="up", node_type=ObjectType.INDEX, hash="h"),
            NodeRelationship.CHILD: [
                RelatedNodeInfo(node_id="c1", metadata={"x": [1]}),
                RelatedNodeInfo(node_id="c2"),
            ],
        },
    ),
    SOURCE,
    Document(
        text="a document", excluded_llm_metadata_keys=["k"], metadata={"k": 1}, text_template="{content}!"
    ),
    IndexNode(id_="index", text="points to", index_id="elsewhere", obj=PLAIN, metadata={"n": 1}),
    IndexNode(id_="index-2", text="points to nothing", index_id="elsewhere"),
    Node(id_="node", text_resource=MediaResource(text="a node", mimetype="text/html", path=Path("a.html"))),
    ImageNode(id_="image", text="a caption", image_path="a.png", metadata={"w": 3}),
    ImageDocument(
        id_="picture", text="a caption", image_resource=MediaResource(url="https://example.org/a.png")
    ),
]


@pytest.mark.parametrize("node", NODES, ids=lambda node: type(node).__name__)
def test_a_node_comes_back_equal(store: YoutuVectorStore, encoder: TinyEncoder, node: BaseNode) -> None:
    before = node.model_copy(deep=True)
    assert store.add([node]) == [node.node_id]
    assert node == before  # the caller's node is untouched
    (found,) = store.get_nodes([node.node_id])
    result = store.query(VectorStoreQuery(encoder.encode_document([node.get_content()])[0].tolist()))
    for back in (found, *result.nodes):
        assert type(back) is type(node)
        assert back == node
        assert back.to_dict() == node.to_dict()
        assert back.hash == node.hash
        for mode in MetadataMode:
            assert back.get_content(mode) == node.get_content(mode)


def test_the_embedding_is_the_indexs_vector_and_not_kept_twice(
    store: YoutuVectorStore, encoder: TinyEncoder
) -> None:
    row = encoder.encode_document(["with an embedding"])[0]
    store.add(
        [
            TextNode(
                id_="a",
                text="with an embedding",
                embedding=row.tolist(),
                metadata={"lang": "en"},
                excluded_embed_metadata_keys=["lang"],
            )
        ]
    )
    assert store.index.vectors(["a"]).tolist() == [row.tolist()]
    (node,) = store.get_nodes(["a"])
    assert node.embedding is None
    (stored,) = store.index.get(["a"])
    assert stored is not None
    assert (stored.text, stored.metadata["lang"], sorted(stored.metadata)) == (
        "with an embedding",
        "en",
        ["__llama_index__", "lang"],
    )
    record = stored.metadata["__llama_index__"]
    assert (record["type"], record["document"]) == ("TextNode", None)
    assert not {"text", "metadata", "embedding", "id_", "class_name"} & record["node"].keys()
    assert record["node"]["excluded_embed_metadata_keys"] == ["lang"]


def test_the_text_of_a_document_is_stored_once(store: YoutuVectorStore) -> None:
    store.add([Document(id_="d", text="only here"), NODES[3]])
    first, second = (one.metadata if one else {} for one in store.index.get(["d", "all"]))
    assert "only here" not in str(first)
    assert first["__llama_index__"]["node"]["text_resource"] == dict.fromkeys(
        ["embeddings", "path", "url", "mimetype"]
    )
    assert second["__llama_index__"]["document"] == "doc"


def test_documents_of_other_tools_are_text_nodes(store: YoutuVectorStore) -> None:
    records = [{"source": "notes.md", "line": 3}, {"source": ["a"]}, {"__other__": {"x": 1}, "n": 2}, None]
    store.index.add(["one", "two", "three", "four"], ["1", "2", "3", "4"], records)
    one, two, three, four = store.get_nodes()
    source = RelatedNodeInfo(node_id="notes.md", node_type=ObjectType.DOCUMENT)
    assert one == TextNode(
        id_="1", text="one", metadata=records[0], relationships={NodeRelationship.SOURCE: source}
    )
    assert one.ref_doc_id == "notes.md"
    assert two == TextNode(id_="2", text="two", metadata={"source": ["a"]})
    assert three == TextNode(id_="3", text="three", metadata={"n": 2})
    assert four == TextNode(id_="4", text="four")


class MyNode(TextNode):
    pass


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (TextNode(id_="bad", text="t", metadata={"__x__": 1}), r"'bad'.*'__x__'"),
        (TextNode(id_="bad", text="t", metadata={"__llama_index__": 1}), r"'bad'.*'__llama_index__'"),
        (TextNode(id_="bad", text=" \n", metadata={"file": "empty.md"}), r"'bad' must have a text to encode.*empty\.md"),
        (Document(id_="bad"), r"'bad' must have a text to encode"),
        (TextNode(id_="bad", text="t", metadata={"day": {1, 2}}), r"key 'day' must be .*, not \{1, 2\}"),
        (IndexNode(id_="bad", text="t", index_id="i", obj=object()), r"'bad' cannot be written as JSON.*object"),
        (ImageDocument(id_="bad", text="t", image=b"bytes"), r"'bad' holds raw bytes in its image_resource"),
        (MyNode(id_="bad", text="t"), r"TextNode, Document.*not MyNode"),
        ("a string", r"TextNode, Document.*not str"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_cannot_be_kept_whole_is_refused_and_nothing_is_written(
    store: YoutuVectorStore, node: BaseNode, named: str
) -> None:
    with pytest.raises(InputError, match=named):
        store.add([TextNode(text="fine"), node])
    assert store.get_nodes() == []


@pytest.mark.parametrize(
    "record",
    [7, {}, {"type": "TextNode"}, {"type": "Unknown", "node": {}}, {"type": "TextNode", "node": 3}, {"type": "TextNode", "node": {"relationships": 3}}, {"type": "Document", "node": {"text_resource": 3}}],
)  # fmt: skip
def test_a_damaged_record_is_named(store: YoutuVectorStore, record: object) -> None:
    store.index.add(["text"], ["broken"], [{"__llama_index__": record}])
    with pytest.raises(IndexDamagedError, match="'broken'"):
        store.get_nodes()
