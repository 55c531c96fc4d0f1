"""A folder that LlamaIndex persisted an index to, with FAISS or its own simple store for the vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.errors import InputError, brief, counted, printable
from youtu_st.index.exchange.faiss_file import read_vectors
from youtu_st.index.exchange.held import Held, of_kind, placed, read_object
from youtu_st.index.exchange.rows import Part
from youtu_st.protocol import Vectors

KIND = "a folder of LlamaIndex"
VECTORS, NODES, INDEXES, NUMBERS = (
    "default__vector_store.json",
    "docstore.json",
    "index_store.json",
    "id_map.json",
)
RECORD = "__llama_index__"
"""The metadata key under which our store for LlamaIndex keeps a node, see ``docs/index-format.md``."""
_SOURCE = "1"
"""The relationship of a node to its document."""
_BESIDE = ("id_", "embedding", "metadata", "text", "class_name")
_TEMPLATES = {"metadata_template": "{key}: {value}", "text_template": "{metadata_str}\n\n{content}"}


def open_llama_index(folder: Path, *, vectors: bool) -> Held:
    """Read such a folder.

    Nodes keep what our own store for LlamaIndex keeps of them, so that it gives them back as they were. Their
    vectors are of the text with its metadata, as LlamaIndex encodes them.

    Args:
        folder: The folder.
        vectors: Whether the vectors are wanted.

    Raises:
        InputError: If a file is not what LlamaIndex writes: the message names it.
    """
    stored = _stored(folder)
    nodes = of_kind(read_object(folder / NODES).get("docstore/data", {}), dict, f"{folder / NODES}")
    ids, rows = _in_order(folder, stored, vectors=vectors)
    texts, metadata, encoded = [], [], []
    for id in ids:
        if id not in nodes:
            raise InputError(
                f"{printable(str(folder / NODES))}: there is no node {brief(id)}, which has a vector"
            )
        data = of_kind(of_kind(nodes[id], dict, f"node {id}").get("__data__"), dict, f"node {id}")
        try:
            kept = _kept(data)
        except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
            raise InputError(
                f"{printable(str(folder / NODES))}: node {brief(id)} is not what LlamaIndex writes"
            ) from error
        texts.append(kept[0])
        metadata.append(kept[1])
        encoded.append(kept[2])
    held = Held(str(folder), KIND, Part(ids, texts, metadata, rows, encoded))
    if lacking := len(nodes) - len(set(ids)):  # such as the parents of those that are searched for
        held.notes.append(f"left out, as {VECTORS} has no vector of them: {counted(lacking, 'node')}")
    return held


def _stored(folder: Path) -> Mapping[str, Any] | None:
    """The simple store's vectors by their ids; None where the file is FAISS's."""
    path = folder / VECTORS
    with path.open("rb") as file:
        if file.read(1) != b"{":
            return None
    return of_kind(read_object(path).get("embedding_dict", {}), dict, str(path))  # type: ignore[no-any-return]


def _in_order(
    folder: Path, stored: Mapping[str, Any] | None, *, vectors: bool
) -> tuple[list[str], Vectors | None]:
    """Ids of nodes in the order of their vectors, and these."""
    if stored is not None:
        return list(stored), _matrix(folder, list(stored.values())) if vectors else None
    labelled = (folder / NUMBERS).exists()
    named = _labelled(folder) if labelled else _numbered(folder)
    numbers = {int(number): id for number, id in named.items() if str(number).isdecimal() and type(id) is str}
    if len(numbers) != len(named):
        raise InputError(f"{printable(str(folder))}: a node's number or id is not what LlamaIndex writes")
    if not vectors:
        return [numbers[number] for number in sorted(numbers)], None
    rows, labels = read_vectors(folder / VECTORS)
    labels = np.arange(len(rows)) if labels is None else labels
    places = {label: place for place, label in enumerate(labels.tolist())}
    if numbers.keys() - places.keys():
        raise InputError(
            f"{printable(str(folder))}: it names {counted(len(named), 'node')}, and {VECTORS} has "
            f"{counted(len(rows), 'vector')}, which do not go with them"
        )
    chosen = sorted(numbers, key=lambda number: places[number])
    return [numbers[number] for number in chosen], placed(rows, [places[number] for number in chosen])


def _matrix(folder: Path, rows: list[Any]) -> Vectors:
    try:
        found = np.array(rows, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{printable(str(folder / VECTORS))}: its vectors are not all as long") from error
    return found if found.ndim == 2 else found.reshape(len(rows), -1 if rows else 0)


def _labelled(folder: Path) -> dict[str, Any]:
    """The ids of nodes by the labels of their vectors."""
    path = folder / NUMBERS
    named: dict[str, Any] = of_kind(read_object(path).get("faiss_id_to_node_id_map"), dict, str(path))
    return named


def _numbered(folder: Path) -> dict[str, Any]:
    """The ids of nodes by the numbers of their vectors, from the one vector index of the folder."""
    path = folder / INDEXES
    indexes = [
        one.get("__data__")
        for one in of_kind(read_object(path).get("index_store/data", {}), dict, str(path)).values()
        if isinstance(one, dict) and one.get("__type__") == "vector_store"
    ]
    if len(indexes) != 1:
        raise InputError(f"{printable(str(path))} has {len(indexes)} vector indexes, and must have one")
    data = indexes[0] if isinstance(indexes[0], dict) else read_object(path, content=indexes[0] or "")
    named: dict[str, Any] = of_kind(data.get("nodes_dict"), dict, str(path))
    return named


def _kept(data: dict[str, Any]) -> tuple[Any, dict[str, Any], Any]:
    """A node's text, its metadata with the record of all else, and what its vector is of."""
    metadata = of_kind(data.get("metadata") or data.get("extra_info") or {}, dict, "its metadata")
    rest = {name: value for name, value in data.items() if name not in _BESIDE}
    resource = data.get("text_resource")
    if isinstance(resource, dict):
        text = resource.get("text")
        rest["text_resource"] = {name: value for name, value in resource.items() if name != "text"}
    else:
        text = data.get("text")
    source = data.get("relationships", {}).get(_SOURCE) or {}
    record = {
        "type": data.get("class_name", "TextNode"),
        "document": source.get("node_id") if isinstance(source, dict) else None,
        "node": rest,
    }
    return text, {**metadata, RECORD: record}, _encoded(data, text, metadata)


def _encoded(data: dict[str, Any], text: Any, metadata: dict[str, Any]) -> Any:
    """What LlamaIndex encodes of a node: its metadata, as its templates say, and then its text."""
    left_out = data.get("excluded_embed_metadata_keys") or []
    line, whole = (str(data.get(name) or default) for name, default in _TEMPLATES.items())
    lines = [_filled(line, key=key, value=value) for key, value in metadata.items() if key not in left_out]
    told = str(data.get("metadata_separator", data.get("metadata_seperator", "\n"))).join(lines).strip()
    if not told or not isinstance(text, str):
        return text
    return _filled(whole, metadata_str=told, content=text).strip()


def _filled(template: str, **values: object) -> str:
    """A template with its values: plain names in braces only, where Python's own would look into objects."""
    parts, rest = [], template
    while rest:
        start, brace, after = rest.partition("{")
        name, closing, behind = after.partition("}")
        parts.append(start)
        if not brace:
            break
        if closing and name in values:
            parts.append(str(values[name]))
            rest = behind
        else:
            parts.append(brace)
            rest = after
    return "".join(parts)
