"""LlamaIndex's nodes as documents of the index, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    ImageDocument,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    NodeRelationship,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.schema import Document as DocumentNode

from youtu_st.errors import IndexDamagedError, InputError
from youtu_st.index import Document, Hit, as_given, is_record

RECORD = "__llama_index__"
"""The metadata key under which a node keeps what is neither its id, its text nor its metadata."""

_CLASSES: dict[str, type[BaseNode]] = {
    kind.class_name(): kind for kind in (TextNode, DocumentNode, IndexNode, Node, ImageNode, ImageDocument)
}
# Stored once, beside the record; an embedding is the index's vector.
_BESIDE: dict[str, Any] = dict.fromkeys(("id_", "embedding", "text", "metadata"), True)
_BESIDE["text_resource"] = {"text"}


def to_document(node: BaseNode) -> Document:
    """What the index keeps of a node of LlamaIndex's own classes; its embedding is left out.

    Raises:
        InputError: If it cannot be kept whole: the message names the node and what is in the way.
    """
    if type(node) not in _CLASSES.values():
        classes = ", ".join(_CLASSES)
        raise InputError(f"a node must be one of {classes}, not {type(node).__name__}: {node!r:.80}")
    name, text = f"node {node.node_id!r}", node.get_content(MetadataMode.NONE)
    if not text or text.isspace():
        raise InputError(
            f"{name} must have a text to encode, and has none: leave it out, {node.metadata!r:.200}"
        )
    reserved = [key for key in node.metadata if is_record(key)]
    if reserved:
        raise InputError(
            f"{name} has the metadata key {reserved[0]!r}: a key between two and two underscores is a "
            "framework's own; choose another name"
        )
    for field in ("text_resource", "image_resource", "audio_resource", "video_resource"):
        if getattr(getattr(node, field, None), "data", None) is not None:
            raise InputError(
                f"{name} holds raw bytes in its {field}, which LlamaIndex leaves out of a node's JSON: give "
                "the resource a path or a url"
            )
    try:
        rest = node.model_dump(mode="json", exclude=_BESIDE)
    except ValueError as error:  # an IndexNode's obj, or metadata copied into a relationship
        raise InputError(f"{name} cannot be written as JSON: {error}") from error
    record = {"type": rest.pop("class_name"), "document": document_of(node), "node": rest}
    return Document(node.node_id, text, {**node.metadata, RECORD: record})


def document_of(node: BaseNode) -> str | None:
    """The id of the document that a node is a part of; a document that was stored whole is its own."""
    return node.ref_doc_id or (node.node_id if isinstance(node, DocumentNode) else None)


def to_node(document: Document | Hit) -> BaseNode:
    """The node that :func:`to_document` was given, or a ``TextNode`` for what another tool has stored.

    Where another tool has written a string ``source`` into the metadata, that is the node's source document.

    Raises:
        IndexDamagedError: If the node's record cannot be read.
    """
    id, text, metadata = document.id, document.text, as_given(document.metadata)
    if RECORD not in document.metadata:
        foreign = TextNode(id_=id, text=text, metadata=metadata)
        if isinstance(source := metadata.get("source"), str):
            origin = RelatedNodeInfo(node_id=source, node_type=ObjectType.DOCUMENT)
            foreign.relationships[NodeRelationship.SOURCE] = origin
        return foreign
    record = document.metadata[RECORD]
    try:
        node = {**record["node"], "id_": id, "metadata": metadata}
        if "text_resource" in node:
            node["text_resource"] = {**node["text_resource"], "text": text}
        else:
            node["text"] = text
        return _CLASSES[record["type"]].from_dict(node)
    except (KeyError, TypeError, ValueError) as error:
        raise IndexDamagedError(
            f"document {id!r} has metadata under {RECORD!r} that is no node's record ({error!r}): "
            "add the document again without it"
        ) from error


_OF_SEVERAL = "several, or unknown"
"""The hash of a document whose nodes name none, or more than one: whatever it is now, it has changed."""


def document_hashes(documents: Iterable[Document]) -> dict[str, str]:
    """The hash that each source document of some stored nodes had, by its id, as LlamaIndex's docstores keep.

    Raises:
        IndexDamagedError: If a node's record cannot be read.
    """
    hashes: dict[str, str] = {}
    for document in documents:
        node = to_node(document)
        source = node.source_node
        if source is None and not isinstance(node, DocumentNode):
            continue
        id, hash = (node.node_id, node.hash) if source is None else (source.node_id, source.hash)
        hashes[id] = hash if hash and hashes.get(id, hash) == hash else _OF_SEVERAL
    return hashes
