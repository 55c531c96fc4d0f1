"""Stores to copy from and to, and what each of them says through its own client."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
from job_folders import record, unit
from pymilvus import MilvusClient
from qdrant_client import QdrantClient

from youtu_st.index import VectorIndex
from youtu_st.index.recorded import RecordedEncoder
from youtu_st.probes import EncoderRecord

DIMENSION = 24
ENCODER = record(DIMENSION)
ODD = {
    "long": 2**53 + 1,
    "most": 2**63 - 1,
    "least": -(2**63),
    "one": 1.0,
    "tenth": 0.1,
    "huge": 1e308,
    "tiny": 5e-324,
    "none": None,
    "empty": {},
    "nested": [1, [2.0, {"z": "ü🦀"}], []],
    "a.b": {"x y": True},
    "": "no name",
    "quotes": "\\u0000 \n\t\"'",
    "$meta": 1,
    "id": "not the id",
}
"""Metadata that a store could lose: numbers that are no float, names that mean something elsewhere."""

Content = dict[str, tuple[str | None, dict[str, Any], np.ndarray]]
"""Of each id its text, metadata and vector."""


def content(rows: int, seed: int = 5) -> Content:
    """Rows whose ids need quoting, every seventh with odd metadata."""
    vectors = unit(rows, DIMENSION, seed)
    return {
        f"id '{row}\"\\ {{x}}\nü🦀 or 1=1": (
            f"text {row} ü\n'",
            ODD if row % 7 == 0 else {"row": row},
            vectors[row],
        )
        for row in range(rows)
    }


def make_index(path: Path, rows: Content, encoder: EncoderRecord = ENCODER, **settings: int) -> str:
    """An index with these documents, of an encoder of which only the record is here."""
    with VectorIndex.create(path, RecordedEncoder(encoder)) as index:
        texts, metadata, vectors = zip(*rows.values(), strict=True)
        index.add(list(texts), list(rows), list(metadata), vectors=np.stack(vectors))
        if settings:
            index.remember(settings)
    return str(path)


def in_index(path: str | Path, encoder: EncoderRecord = ENCODER) -> Content:
    with VectorIndex.open(path, RecordedEncoder(encoder)) as index:
        ids = index.ids()
        documents, vectors = index.get(ids), index.vectors(ids)
    return {
        one.id: (one.text, one.metadata, vector)
        for one, vector in zip(documents, vectors, strict=True)
        if one
    }


def in_lance(path: str | Path, table: str) -> Content:
    rows = lancedb.connect(str(path)).open_table(table).to_lance().to_table().to_pylist()
    return unique(
        (row["id"], row["text"], json.loads(row["metadata"]), np.float32(row["vector"])) for row in rows
    )


def in_milvus(path: str | Path, collection: str) -> Content:
    with closing_milvus(path) as client:
        client.load_collection(collection)
        fields = ["id", "text", "metadata", "vector"]
        rows = client.query(collection, filter="", output_fields=fields, limit=16_000)
    return unique((row["id"], row["text"], row["metadata"], np.float32(row["vector"])) for row in rows)


def in_qdrant(path: str | Path, collection: str) -> Content:
    with contextlib.closing(QdrantClient(path=str(path))) as client:
        points, after = client.scroll(collection, limit=100_000, with_vectors=True)
    assert after is None
    return unique(
        (point.payload["id"], point.payload["text"], point.payload["metadata"], np.float32(point.vector))
        for point in points
    )


def unique(rows: Iterator[tuple[str, str | None, dict[str, Any], np.ndarray]]) -> Content:
    found: Content = {}
    for id, *row in rows:
        assert id not in found
        found[id] = tuple(row)
    return found


@contextlib.contextmanager
def closing_milvus(path: str | Path) -> Iterator[MilvusClient]:
    from milvus_lite.server_manager import server_manager_instance

    client = MilvusClient(str(path))
    try:
        yield client
    finally:
        client.close()
        server_manager_instance.release_server(str(path))


def assert_same(found: Content, expected: Content) -> None:
    """Equal in every value and type, and in every bit of the vectors."""
    assert found.keys() == expected.keys()
    for id, (text, metadata, vector) in expected.items():
        assert found[id][0] == text
        assert json.dumps(found[id][1], sort_keys=True) == json.dumps(metadata, sort_keys=True)
        np.testing.assert_array_equal(found[id][2], vector)


def read(end: str) -> Content:
    """What any end holds, as its own client reads it."""
    kind, _, rest = end.partition(":")
    place, _, name = rest.rpartition("#")
    readers = {"lancedb": in_lance, "milvus": in_milvus, "qdrant": in_qdrant}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return readers[kind](place, name) if name else in_index(end)


def ends(folder: Path) -> dict[str, str]:
    """An end in each store, none of which is there."""
    return {
        "lancedb": f"lancedb:{folder / 'lance'}#table",
        "milvus": f"milvus:{folder / 'milvus.db'}#collection",
        "qdrant": f"qdrant:{folder / 'qdrant'}#collection",
        "index": str(folder / "copied"),
    }
