"""What is refused, and that it is told before a row is written."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import lance
import lancedb
import numpy as np
import pyarrow as pa
import pytest
from copy_ends import (
    DIMENSION,
    ENCODER,
    Content,
    assert_same,
    closing_milvus,
    content,
    ends,
    in_lance,
    make_index,
    read,
)
from job_folders import record, unit
from qdrant_client import QdrantClient, models

from youtu_st.errors import (
    IndexExistsError,
    IndexNotFoundError,
    InputError,
    MissingDependencyError,
    StoreError,
    YoutuError,
)
from youtu_st.index import VectorIndex
from youtu_st.index.recorded import RecordedEncoder
from youtu_st.scale.copying import copy_rows
from youtu_st.scale.copying.keys import key_of
from youtu_st.scale.copying.record import NAME, CopyRecord

DATABASES = ["lancedb", "milvus", "qdrant"]


@pytest.fixture
def source(tmp_path: Path) -> str:
    return make_index(tmp_path / "source", content(12))


@pytest.mark.parametrize("store", [*DATABASES, "index"])
def test_what_is_there_is_not_written_to(tmp_path: Path, source: str, store: str) -> None:
    there = ends(tmp_path)[store]
    copy_rows(source, there)
    with pytest.raises(InputError, match="is there already: name another, or .*--resume"):
        copy_rows(source, there)
    assert_same(read(there), content(12))


@pytest.mark.parametrize("store", [*DATABASES, "index"])
def test_vectors_of_another_encoder_are_not_put_beside(tmp_path: Path, source: str, store: str) -> None:
    there = ends(tmp_path)[store]
    copy_rows(source, there)
    other = replace(
        ENCODER, identity={**ENCODER.identity, "weights": "bb"}, fingerprint="f" * 16, model="other"
    )
    make_index(tmp_path / "other", content(12), other)
    with pytest.raises(InputError) as raised:
        copy_rows(tmp_path / "other", there, resume=True)
    lines = str(raised.value).splitlines()
    assert lines[0].endswith("holds vectors of another encoder (some-model, the source's are of other):")
    assert lines[1] == f"  weights: {there} has aa, the source has bb"
    assert lines[2] == f"  fingerprint: {there} has 0123456789abcdef, the source has ffffffffffffffff"
    assert lines[3:] == ["choose another destination"]


@pytest.mark.parametrize("store", [*DATABASES, "index"])
def test_other_rows_are_not_gone_on_with(tmp_path: Path, source: str, store: str) -> None:
    there = ends(tmp_path)[store]
    copy_rows(source, there)
    make_index(tmp_path / "more", content(13))
    with pytest.raises(InputError, match="holds, or was to hold, other rows than"):
        copy_rows(tmp_path / "more", there, resume=True)
    assert_same(read(there), content(12))


@pytest.mark.parametrize("store", [*DATABASES, "index"])
def test_a_finished_copy_is_compared_again(tmp_path: Path, source: str, store: str) -> None:
    there = ends(tmp_path)[store]
    copy_rows(source, there, resume=True)  # nothing to go on with: it begins
    proof = copy_rows(source, there, resume=True)
    assert proof.holds
    assert proof.written == 0
    assert_same(read(there), content(12))


def make_foreign(folder: Path, store: str) -> None:
    """A table or collection that somebody else has made."""
    if store == "lancedb":
        lancedb.connect(folder / "lance").create_table(
            "table", pa.table({"id": ["a"], "vector": [[1.0, 2.0]]})
        )
    elif store == "milvus":
        with closing_milvus(folder / "milvus.db") as client:
            client.create_collection("collection", dimension=DIMENSION)
    else:
        client = QdrantClient(path=str(folder / "qdrant"))
        client.create_collection(
            "collection", vectors_config=models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
        )
        client.close()


@pytest.mark.parametrize("store", DATABASES)
def test_what_others_made_is_no_end(tmp_path: Path, source: str, store: str) -> None:
    make_foreign(tmp_path, store)
    there = ends(tmp_path)[store]
    for one, other in ((source, there), (there, str(tmp_path / "new"))):
        for resume in (False, True):
            with pytest.raises(StoreError, match="has no record of the encoder of its vectors"):
                copy_rows(one, other, resume=resume)


@pytest.mark.parametrize("store", ["lancedb", "qdrant"])
def test_what_is_left_of_a_beginning_is_not_in_the_way(tmp_path: Path, source: str, store: str) -> None:
    """As a disk that is full, or a kill, leaves it."""
    if store == "lancedb":
        for name in ("_versions", "_transactions"):
            (tmp_path / "lance" / "table.lance" / name).mkdir(parents=True)
    else:
        (tmp_path / "qdrant").mkdir()
        (tmp_path / "qdrant" / "meta.json").touch()
    there = ends(tmp_path)[store]
    with pytest.raises(InputError, match="there is no (table|collection) "):
        copy_rows(there, tmp_path / "new")
    copy_rows(source, there)
    assert_same(read(there), content(12))


def test_a_lance_folder_without_its_versions_is_not_written_over(tmp_path: Path, source: str) -> None:
    there = ends(tmp_path)["lancedb"]
    copy_rows(source, there)
    for version in (tmp_path / "lance" / "table.lance" / "_versions").iterdir():
        version.unlink()
    with pytest.raises(StoreError, match="cannot be opened"):
        copy_rows(source, there)


@pytest.mark.parametrize("store", DATABASES)
def test_what_is_not_there_is_no_source(tmp_path: Path, store: str) -> None:
    with pytest.raises(InputError, match="there is no (table|collection) "):
        copy_rows(ends(tmp_path)[store], tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_without_anything_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        copy_rows(tmp_path / "nothing", tmp_path / "new")


def test_an_index_goes_into_a_free_directory(tmp_path: Path, source: str) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    with pytest.raises(IndexExistsError, match="must be a new or an empty directory"):
        copy_rows(source, tmp_path / "notes")


@pytest.mark.parametrize("store", [*DATABASES, "index"])
def test_half_a_copy_is_no_source(
    tmp_path: Path, source: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from youtu_st.scale.copying import copying

    def stop(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    there = ends(tmp_path)[store]
    monkeypatch.setattr(copying, "_write_all", stop)
    with pytest.raises(KeyboardInterrupt):
        copy_rows(source, there)
    monkeypatch.undo()
    with pytest.raises(StoreError, match="was not finished: finish it with --resume"):
        copy_rows(there, tmp_path / "new")
    assert copy_rows(source, there, resume=True).written == 12
    assert_same(read(there), content(12))


def test_both_ends_must_differ(source: str) -> None:
    with pytest.raises(InputError, match="is both ends"):
        copy_rows(source, source)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("lancedb:db", "must name a place and, behind #, a table or collection"),
        ("lancedb:#t", "must name a place"),
        ("lancedb:db#", "must name a place"),
        ("chroma:db#t", "must be one of DIR, lancedb:PATH#table"),
        ("http://localhost:6333#c", "must be one of DIR"),
        ("lancedb:db#a b", "is named with at most 200 letters, digits and '_-.', not 'a b'"),
        ("lancedb:db#..", "is named with"),
        (f"lancedb:db#{'x' * 201}", "is named with"),
        ("milvus:m.db#a-b", "is named with at most 255 letters, digits and '_', the first no digit"),
        ("milvus:m.db#1a", "is named with"),
        (f"milvus:m.db#{'x' * 256}", "is named with"),
        ("milvus:folder#c", "has a name that ends in .db"),
        ("qdrant:q#a/b", "is named with at most 255 characters"),
        ("qdrant:q#..", "is named with"),
        (f"qdrant:q#{'x' * 256}", "is named with"),
        ("milvus:http://#c", "the address of a server must be http://HOST:PORT"),
        ("qdrant:ftp://localhost#c", "the address of a server must be"),
        ("qdrant:http://user:geheim@localhost#c", "must have no key in it"),
        ("milvus:http://localhost:99999999#c", "the address of a server must be"),
    ],
)
def test_what_is_no_end(
    tmp_path: Path, source: str, end: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=reason) as raised:
        copy_rows(source, end)
    assert "geheim" not in str(raised.value)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("store", "variable"), [("milvus", "MILVUS_TOKEN"), ("qdrant", "QDRANT_API_KEY")])
def test_a_key_is_not_sent_for_all_to_read(
    source: str, store: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "geheimer-schluessel")
    with pytest.raises(InputError, match=f"is not encrypted, and {variable} is set") as raised:
        copy_rows(source, f"{store}:http://10.1.2.3:1234#c")
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(("store", "variable"), [("milvus", "MILVUS_TOKEN"), ("qdrant", "QDRANT_API_KEY")])
@pytest.mark.slow
def test_a_server_that_is_not_there(
    source: str, store: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "geheimer-schluessel")
    with pytest.raises(StoreError, match="cannot be (reached|read)") as raised:
        copy_rows(source, f"{store}:http://127.0.0.1:9#c")
    assert "geheim" not in str(raised.value)
    assert "\n" not in str(raised.value)


def one_odd(
    rows: int, place: int, id: str = "", text: str = "", metadata: dict[str, Any] | None = None
) -> Content:
    """Rows of which one is another."""
    made = list(content(rows).items())
    old_id, (old_text, old_metadata, vector) = made[place]
    made[place] = (id or old_id, (text or old_text, old_metadata if metadata is None else metadata, vector))
    return dict(made)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"id": "ü" * 32_768}, "its id has 65,536 bytes, and Milvus holds at most 65,535"),
        ({"text": "x" * 65_536}, "its text has 65,536 bytes"),
        (
            {"metadata": {"long": "x" * 65_536}},
            "its metadata has 65,548 bytes, and Milvus holds at most 65,536",
        ),
    ],
)
def test_milvus_has_no_room_for_long_values(tmp_path: Path, odd: dict[str, Any], reason: str) -> None:
    source = make_index(tmp_path / "source", one_odd(9, 6, **odd))
    with pytest.raises(InputError, match=rf"source: row 7, id .*: {reason}"):
        copy_rows(source, ends(tmp_path)["milvus"])
    assert not (tmp_path / "milvus.db").exists()
    assert copy_rows(source, ends(tmp_path)["lancedb"]).holds


def test_the_longest_values_that_milvus_has_room_for(tmp_path: Path) -> None:
    rows = one_odd(9, 6, id="x" * 65_535, text="ü" * 32_767, metadata={"long": "x" * (65_536 - 12)})
    source = make_index(tmp_path / "source", rows)
    assert copy_rows(source, ends(tmp_path)["milvus"]).holds
    assert_same(read(ends(tmp_path)["milvus"]), rows)


def test_milvus_has_no_vectors_of_one_number(tmp_path: Path) -> None:
    rows = {"a": ("text", {}, np.ones(1, np.float32))}
    source = make_index(tmp_path / "source", rows, record(1))
    with pytest.raises(InputError, match="Milvus holds vectors of 2 to 32,768 numbers, not of 1"):
        copy_rows(source, ends(tmp_path)["milvus"])


def make_table(path: Path, columns: dict[str, list[Any]], encoder: Any = ENCODER) -> str:
    """A table with a record, whose rows somebody has changed."""
    count = len(columns["id"])
    columns = {
        "text": ["text"] * count,
        "metadata": ["{}"] * count,
        "vector": list(unit(count, DIMENSION)),
        **columns,
    }
    text = CopyRecord(encoder, count, 0, finished=True).text()
    schema = pa.schema(
        [
            ("id", pa.int64() if isinstance(columns["id"][0], int) else pa.string()),
            ("text", pa.string()),
            ("metadata", pa.json_()),
            ("vector", pa.list_(pa.float32(), DIMENSION)),
        ],
        metadata={NAME: text},
    )
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    lance.write_dataset(pa.table(arrays, schema=schema), path / "table.lance")
    return f"lancedb:{path}#table"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"id": ["a", "b", "c", "b"]}, "rows 2 and 4 have one id"),
        ({"id": ["a", None]}, "row 2, id None: its id must be a str"),
        ({"id": ["a", ""]}, "row 2, id '': its id must have at least one character"),
        ({"id": ["a", "b\0"]}, "row 2, id .*: its id must have at least one character, none of them NUL"),
        ({"id": [1, 2]}, "column 'id' of .* must be of type string, and is of type int64"),
        ({"id": ["a", "b"], "text": ["x", " "]}, "row 2, id 'b': an index does not take it: text 0 is blank"),
        (
            {"id": ["a", "b"], "metadata": ["{}", "[1]"]},
            "row 2, id 'b': an index does not take it: metadata 0",
        ),
        (
            {"id": ["a", "b"], "vector": [unit(1, DIMENSION)[0], None]},
            "1 of 2 rows of the table have no vector",
        ),
        (
            {"id": ["a", "b"], "vector": list(np.float32([[1] * DIMENSION, [np.nan] * DIMENSION]))},
            "row 1 is not finite",
        ),
        (
            {"id": ["a", "b"], "vector": list(np.float32([[1] * DIMENSION, [0] * DIMENSION]))},
            "row 1 is all zeros",
        ),
    ],
)
def test_rows_that_somebody_changed(tmp_path: Path, columns: dict[str, list[Any]], reason: str) -> None:
    end = make_table(tmp_path / "lance", columns)
    with pytest.raises(YoutuError, match=reason):
        copy_rows(end, tmp_path / "index")


def test_an_empty_table_has_nothing_to_copy(tmp_path: Path) -> None:
    end = make_table(tmp_path / "lance", {"id": ["a"]})
    lancedb.connect(tmp_path / "lance").open_table("table").delete("id = 'a'")
    with pytest.raises(InputError, match="holds no row"):
        copy_rows(end, tmp_path / "index")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[:-3], "is damaged: "),
        (lambda text: text.replace("some-model", "some-modem"), "is damaged: it is not what was written"),
        (lambda text: "{}", "is damaged: it is not what was written"),
        (lambda text: "[" * 100_000, "is damaged: it is not what was written"),
    ],
)
def test_a_damaged_record_is_told(tmp_path: Path, change: Any, reason: str) -> None:
    end = make_table(tmp_path / "lance", {"id": ["a"]})
    dataset = lancedb.connect(tmp_path / "lance").open_table("table").to_lance()
    text = dataset.schema.metadata[NAME.encode()].decode()
    dataset.update_schema_metadata({NAME: change(text)})
    with pytest.raises(StoreError, match=f"the record of the encoder in .* {reason}"):
        copy_rows(end, tmp_path / "index")


def test_a_record_of_a_later_release_says_so(tmp_path: Path) -> None:
    from youtu_st import disk

    text = CopyRecord(ENCODER, 1, 2).text()
    values = {**json.loads(text), "version": 2}
    del values["checksum"]
    with pytest.raises(
        StoreError, match="was written by a later release, in version 2 of the format: upgrade"
    ):
        CopyRecord.of(disk.sealed(values).decode(), "it")
    known = CopyRecord.of(text, "it")
    assert (known.rows, known.ids, known.finished, dict(known.settings)) == (1, 2, False, {})
    assert known.encoder.values() == ENCODER.values()


def test_two_copies_into_one_table_at_once(tmp_path: Path, source: str) -> None:
    from youtu_st.scale.copying.ends import open_destination

    first = open_destination(ends(tmp_path)["lancedb"])
    first.admit(ENCODER)
    with pytest.raises(StoreError, match="another copy into lancedb:.* is under way"):
        copy_rows(source, ends(tmp_path)["lancedb"])
    first.close()
    assert copy_rows(source, ends(tmp_path)["lancedb"]).holds


def test_an_index_that_changes_meanwhile(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from youtu_st.scale.copying import copying

    looked_at = copying.survey

    def changed(*arguments: Any) -> Any:
        found = looked_at(*arguments)
        with VectorIndex.open(source, RecordedEncoder(ENCODER)) as index:
            index.add(["new"], ["new"], vectors=unit(1, DIMENSION))
        return found

    monkeypatch.setattr(copying, "survey", changed)
    with pytest.raises(StoreError, match="had 12 rows when they were looked at, and 13 now: begin again"):
        copy_rows(source, ends(tmp_path)["lancedb"])


def test_keys_are_the_same_everywhere() -> None:
    """As the documentation says that they are made."""
    space = uuid.uuid5(uuid.NAMESPACE_URL, "https://pypi.org/project/youtu-st")
    assert key_of("a") == str(uuid.uuid5(space, "a")) == "0e21b897-6834-546b-9f72-6d9fe35d05d8"


def test_a_package_that_is_not_installed_is_told(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingDependencyError, match="the package 'lancedb' must be installed: pip install"):
        copy_rows(source, "lancedb:db#t")


def test_tables_of_others_stay_as_they_are(tmp_path: Path, source: str) -> None:
    """A database has room for many tables; files beside it are left alone."""
    lancedb.connect(tmp_path / "lance").create_table("other", pa.table({"a": [1]}))
    assert copy_rows(source, ends(tmp_path)["lancedb"]).holds
    assert lancedb.connect(tmp_path / "lance").open_table("other").to_arrow().to_pylist() == [{"a": 1}]
    assert_same(in_lance(tmp_path / "lance", "table"), content(12))
