"""From a folder of shards: vectors, texts and kept columns, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from copy_ends import DIMENSION, assert_same, ends, read
from job_folders import job, record, unit, write

from youtu_st.errors import IndexNotFoundError, InputError, StoreError
from youtu_st.index import read_manifest
from youtu_st.protocol import fingerprint
from youtu_st.scale.copying import copy_rows
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.settings import Columns, Task

JSON = {b"youtu-st": b"json"}
SCHEMA = pa.schema(
    [
        ("lang", pa.string()),
        ("year", pa.int64()),
        ("score", pa.float64()),
        ("tags", pa.list_(pa.string())),
        ("place", pa.struct([("city", pa.string()), ("at", pa.list_(pa.float64(), 2))])),
        pa.field("more", pa.string(), metadata=JSON),
        ("text", pa.string()),
    ]
)
KEPT: dict[str, list[Any]] = {
    "lang": ["en", None, "zh", ""],
    "year": [1999, 2**62, None, -5],
    "score": [1.0, 0.1, None, -0.0],
    "tags": [["a", None], [], None, ["ü🦀"]],
    "place": [
        {"city": "Bonn", "at": [1.5, 2.0]},
        {"city": None, "at": None},
        None,
        {"city": "", "at": [0.0, 0.0]},
    ],
    "more": ['{"deep": [1, {"x": null}]}', "[1.0]", None, '"quoted \\" text"'],
    "text": ["first", "second\n", "third ü", "fourth"],
}
METADATA = [
    {
        "lang": "en",
        "year": 1999,
        "score": 1.0,
        "tags": ["a", None],
        "place": {"city": "Bonn", "at": [1.5, 2.0]},
        "more": {"deep": [1, {"x": None}]},
    },
    {"year": 2**62, "score": 0.1, "tags": [], "place": {"city": None, "at": None}, "more": [1.0]},
    {"lang": "zh"},
    {
        "lang": "",
        "year": -5,
        "score": -0.0,
        "tags": ["ü🦀"],
        "place": {"city": "", "at": [0.0, 0.0]},
        "more": 'quoted " text',
    },
]
ENCODER = record(DIMENSION)


def filled(
    path: Path, *, shards: int = 3, dtype: str = "float32", schema: pa.Schema = SCHEMA, **changes: Any
) -> JobFolder:
    """A finished job; every shard keeps the same columns."""
    names = [name for name in schema.names if name != "text"]
    columns = Columns(id="id", keep=tuple(names), keep_text="text" in schema.names)
    made = job(
        shards,
        schema=schema,
        **{"columns": columns, "encoder": ENCODER, "task": Task(dtype=dtype), **changes},
    )
    folder = JobFolder.create(path, made)
    kept = pa.table({name: KEPT[name] for name in schema.names}, schema=schema)
    for number in range(shards):
        vectors = unit(4, made.dimension, 100 + number)
        folder.write(number, ids=[f"{number}/{row}" for row in range(4)], vectors=vectors, kept=kept)
    return folder


def expected(shards: int = 3, *, texts: bool = True, dimension: int = DIMENSION) -> dict[str, Any]:
    return {
        f"{number}/{row}": (
            KEPT["text"][row] if texts else None,
            METADATA[row],
            unit(4, dimension, 100 + number)[row],
        )
        for number in range(shards)
        for row in range(4)
    }


@pytest.mark.parametrize("store", ["lancedb", "milvus", "qdrant", "index"])
def test_a_folder_arrives_with_texts_and_kept_columns(tmp_path: Path, store: str) -> None:
    filled(tmp_path / "out")
    there = ends(tmp_path)[store]
    proof = copy_rows(tmp_path / "out", there)
    assert proof.holds
    assert proof.written == 12
    assert_same(read(there), expected())


@pytest.mark.parametrize("store", ["lancedb", "milvus", "qdrant"])
def test_without_texts_a_database_has_none(tmp_path: Path, store: str) -> None:
    filled(tmp_path / "out", schema=pa.schema(list(SCHEMA)[:-1]))
    there = ends(tmp_path)[store]
    assert copy_rows(tmp_path / "out", there).holds
    assert_same(read(there), expected(texts=False))


def test_without_texts_there_is_no_index_and_the_option_is_named(tmp_path: Path) -> None:
    filled(tmp_path / "out", schema=pa.schema(list(SCHEMA)[:-1]))
    with pytest.raises(InputError, match=r"row 1, id '0/0': it has no text.*--keep-text"):
        copy_rows(tmp_path / "out", tmp_path / "index")
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("store", ["lancedb", "index"])
def test_rounded_vectors_become_unit_rows(tmp_path: Path, store: str) -> None:
    filled(tmp_path / "out", dtype="float16")
    there = ends(tmp_path)[store]
    assert copy_rows(tmp_path / "out", there).difference == 0
    arrived = read(there)
    for id, (_, _, vector) in expected().items():
        rounded = vector.astype(np.float16).astype(np.float64)
        found = arrived[id][2]
        np.testing.assert_allclose(found, rounded / np.linalg.norm(rounded), atol=1e-7)
        assert abs(float(np.linalg.norm(found.astype(np.float64))) - 1) < 1e-6


def test_vectors_that_were_cut_have_the_record_of_a_shorter_encoder(tmp_path: Path) -> None:
    identity = {**ENCODER.identity, "dimension": str(DIMENSION)}
    encoder = replace(ENCODER, identity=identity, fingerprint=fingerprint(identity))
    filled(tmp_path / "out", encoder=encoder, task=Task(dimensions=8))
    assert copy_rows(tmp_path / "out", tmp_path / "index").holds
    manifest = read_manifest(tmp_path / "index")
    shorter = {**identity, "dimension": "8"}
    assert (manifest.dimension, manifest.identity, manifest.fingerprint) == (8, shorter, fingerprint(shorter))
    cut = ENCODER.query_probes[:, :8]
    np.testing.assert_allclose(
        manifest.query_probes, cut / np.linalg.norm(cut, axis=1, keepdims=True), atol=1e-7
    )


def test_an_unfinished_job_is_refused(tmp_path: Path) -> None:
    folder = filled(tmp_path / "out")
    folder.shard_path(1).unlink()
    with pytest.raises(InputError, match=r"has 1 open shard of 3: finish it with youtu-st embed"):
        copy_rows(tmp_path / "out", ends(tmp_path)["lancedb"])


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    folder = filled(tmp_path / "out")
    content = folder.shard_path(2).read_bytes()
    folder.shard_path(2).write_bytes(content[:-20])
    with pytest.raises(InputError, match=r"part-00002.parquet is damaged: .*encodes it again"):
        copy_rows(tmp_path / "out", ends(tmp_path)["lancedb"])


def test_a_shard_whose_pages_are_altered_is_named(tmp_path: Path) -> None:
    path = filled(tmp_path / "out").shard_path(1)
    content = bytearray(path.read_bytes())
    at = content.index(unit(4, DIMENSION, 101)[2].tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"part-00001.parquet cannot be read .*remove it: youtu-st embed "):
        copy_rows(tmp_path / "out", ends(tmp_path)["index"])
    path.unlink()
    with pytest.raises(InputError, match="has 1 open shard of 3"):
        copy_rows(tmp_path / "out", ends(tmp_path)["index"])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.timestamp("us"), [0, 1, 2, 3]),
        (pa.binary(), [b"a"] * 4),
        (pa.list_(pa.date32()), [[1]] * 4),
        (pa.struct([("a", pa.decimal128(5, 2))]), [{"a": None}] * 4),
    ],
)
def test_a_column_without_a_json_value_is_named(tmp_path: Path, kind: pa.DataType, values: list[Any]) -> None:
    schema = pa.schema([("when", kind)])
    folder = JobFolder.create(tmp_path / "out", job(1, schema=schema, encoder=ENCODER))
    kept = pa.table({"when": pa.array(values, kind)}, schema=schema)
    folder.write(0, ids=list("abcd"), vectors=unit(4, DIMENSION), kept=kept)
    with pytest.raises(InputError, match=r"column 'when' of .* is of type .*leave it out of --keep"):
        copy_rows(tmp_path / "out", ends(tmp_path)["lancedb"])


@pytest.mark.parametrize("store", ["lancedb", "milvus", "qdrant", "index"])
def test_a_number_that_is_none_is_found_before_the_first_row(tmp_path: Path, store: str) -> None:
    schema = pa.schema([("score", pa.float64()), ("text", pa.string())])
    columns = Columns(id="id", keep=("score",), keep_text=True)
    folder = JobFolder.create(tmp_path / "out", job(1, schema=schema, encoder=ENCODER, columns=columns))
    kept = pa.table({"score": [1.0, 2.0, float("nan"), 3.0], "text": list("abcd")}, schema=schema)
    folder.write(0, ids=list("abcd"), vectors=unit(4, DIMENSION), kept=kept)
    with pytest.raises(InputError, match=r"out: row 'c': its metadata .*nan.* are no JSON"):
        copy_rows(tmp_path / "out", ends(tmp_path)[store])
    with pytest.raises((InputError, IndexNotFoundError), match="there is no"):
        copy_rows(ends(tmp_path)[store], tmp_path / "elsewhere")


def test_all_rows_of_a_job_without_texts_arrive(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path / "out", job(2, encoder=ENCODER))
    write(folder, 0)
    write(folder, 1)
    there = ends(tmp_path)["lancedb"]
    assert copy_rows(tmp_path / "out", there).destination == 8
    found = read(there)
    assert found["ключ-1-0"][:2] == (None, {"tags": ["a", None], "year": 1901})
