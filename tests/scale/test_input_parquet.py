"""Parquet: odd types, odd files, and never a row group in memory."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from input_oracle import everything, planned, reasons

from youtu_st.errors import InputError
from youtu_st.scale.input.reading import Reader
from youtu_st.scale.settings import Cutting

TEXTS = ["one", "zwei Wörter", "三", "four" * 500]
HELD = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int8(), pa.string()),
]


@pytest.mark.parametrize("held", HELD, ids=str)
def test_texts_and_ids_however_they_are_held(tmp_path: Path, held: pa.DataType):
    texts = [*TEXTS, None, "", " \u3000\n"]
    ids = ["a", "b", "ü", "d", "e", "f", "g"]
    table = pa.table({"key": pa.array(ids).cast(held), "text": pa.array(texts).cast(held)})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=2)
    assert pq.ParquetFile(path).schema_arrow.field("text").type == held
    plan, columns = planned(path, cutting=Cutting(rows=3), id="key", keep_text=True)
    rows, rejected = everything(plan, columns, seed=3)
    assert [(row.number, row.id, row.text) for row in rows] == [
        (i, ids[i - 1], TEXTS[i - 1]) for i in range(1, 5)
    ]
    assert [row.kept for row in rows] == [{"text": text} for text in TEXTS]
    assert plan.schema == pa.schema([("text", pa.string())])
    assert reasons(rejected) == [
        (5, "e", "column 'text' is null"),
        (6, "f", "blank, so there is nothing to encode"),
        (7, "g", "blank, so there is nothing to encode"),
    ]
    assert [shard.tokens for shard in plan.shards] == [1 + 3 + 1, 500, 0]
    assert [shard.longest for shard in plan.shards] == [3, 500, 0]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([1, -2, 3], pa.int64()), ["1", "-2", "3"]),
        (pa.array([1, 2, 255], pa.uint8()), ["1", "2", "255"]),
        (pa.array([1, 2, 2**64 - 1], pa.uint64()), ["1", "2", str(2**64 - 1)]),
        (pa.array([1, None, 3], pa.int32()), ["1", None, "3"]),
        (pa.array(["a", " ", ""]), ["a", None, None]),
    ],
)
def test_ids(tmp_path: Path, ids: pa.Array, expected: list[str | None]):
    pq.write_table(pa.table({"id": ids, "text": ["x", "y", "z"]}), tmp_path / "a.parquet")
    plan, columns = planned(tmp_path, id="id")
    rows, rejected = everything(plan, columns)
    assert [row.id for row in rows] == [id for id in expected if id is not None]
    assert [bad.row for bad in rejected] == [i for i, id in enumerate(expected, start=1) if id is None]
    assert all(bad.id is None and bad.reason in ("its id is null", "its id is blank") for bad in rejected)


@pytest.mark.parametrize(
    ("column", "array", "message"),
    [
        ("text", pa.array([1]), "the column 'text' of the texts must hold strings, not int64"),
        ("text", pa.array([b"x"]), "the column 'text' of the texts must hold strings, not binary"),
        ("text", pa.array([["x"]]), r"the column 'text' of the texts must hold strings, not list<"),
        ("id", pa.array([1.5]), "the column 'id' of the ids must hold strings or ints, not double"),
        ("id", pa.array([True]), "the column 'id' of the ids must hold strings or ints, not bool"),
        ("id", pa.array([None]), "the column 'id' of the ids must hold strings or ints, not null"),
    ],
)
def test_columns_of_other_types(tmp_path: Path, column: str, array: pa.Array, message: str):
    columns = {"id": pa.array(["a"]), "text": pa.array(["x"]), column: array}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=rf"a\.parquet: {message}"):
        planned(tmp_path, id="id")


def test_columns_that_are_not_there(tmp_path: Path):
    pq.write_table(pa.table({"id": ["a"], "body": ["x"]}), tmp_path / "a.parquet")
    for columns, name in (({}, "'text' or 'content'"), ({"text": "body", "id": "key"}, "'key'")):
        with pytest.raises(InputError, match=rf"a\.parquet: no column {name}; its columns: id, body$"):
            planned(tmp_path, **columns)
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="two columns of one name: 'text'"):
        planned(tmp_path)


def test_no_rows_and_no_row_groups(tmp_path: Path):
    schema = pa.schema([("text", pa.string()), ("n", pa.int16())])
    pq.write_table(schema.empty_table(), tmp_path / "a.parquet")
    with pq.ParquetWriter(tmp_path / "b.parquet", schema):
        pass
    with pq.ParquetWriter(tmp_path / "c.parquet", schema) as writer:
        for texts in (["x"], [], ["y", "z"], []):
            writer.write_table(pa.table({"text": texts, "n": [5] * len(texts)}, schema=schema))
    assert pq.ParquetFile(tmp_path / "b.parquet").metadata.num_row_groups == 0
    plan, columns = planned(tmp_path, keep=("n",))
    assert [file.rows for file in plan.files] == [0, 0, 3]
    assert [row.text for row in everything(plan, columns)[0]] == ["x", "y", "z"]
    with pytest.raises(InputError, match="no rows"):
        planned(tmp_path / "a.parquet", tmp_path / "b.parquet")


def test_what_is_no_parquet(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"text {i}" * 20 for i in range(3000)]}), path, compression="snappy")
    whole = path.read_bytes()
    for content in (b"", b"PAR1", b'{"text": "x"}\n' * 50, whole[:-1], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.parquet: not a readable Parquet file: ") as caught:
            planned(path)
        assert str(caught.value).isprintable()
    middle = len(whole) // 3
    path.write_bytes(whole[:middle] + b"\xff" * 200 + whole[middle + 200 :])
    with pytest.raises(InputError, match=r"a\.parquet: not a readable Parquet file: "):
        planned(path)


def test_strings_that_are_no_utf8(tmp_path: Path):
    """Writers exist that check nothing: ``binary`` that says it is ``string``."""
    bad = pa.array([b"good", b"caf\xe9", b"gr\xc3\xbcn", None])
    texts = pa.Array.from_buffers(pa.string(), 4, bad.buffers(), null_count=1)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["a", "b", "c", "d"], "text": texts}), path)
    plan, columns = planned(path, id="id")
    rows, rejected = everything(plan, columns)
    assert [(row.id, row.text) for row in rows] == [("a", "good"), ("c", "grün")]
    assert reasons(rejected) == [
        (2, "b", "column 'text' is not UTF-8 at byte 3"),
        (4, "d", "column 'text' is null"),
    ]
    pq.write_table(pa.table({"text": ["1", "2", "3", "4"], "note": texts}), path)
    plan, columns = planned(path, keep=("note",))
    rows, rejected = everything(plan, columns)
    assert [row.kept["note"] for row in rows] == ["good", "grün", None]
    assert reasons(rejected) == [(2, f"{path}:2", "column 'note' is not UTF-8 at byte 3")]


KEPT = {
    "int": pa.array([1, None, 3], pa.int16()),
    "float": pa.array([1.5, float("inf"), None], pa.float32()),
    "time": pa.array([1, 2, None], pa.timestamp("us", "Europe/Berlin")),
    "decimal": pa.array(["1.50", "2.25", None]).cast(pa.decimal128(10, 2)),
    "list": pa.array([["a"], [], None]),
    "struct": pa.array([{"a": 1, "b": ["x"]}, {"a": None, "b": []}, None]),
    "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    "bytes": pa.array([b"\x00\xff", b"", None], pa.large_binary()),
    "category": pa.array(["x", "y", "x"]).dictionary_encode(),
    "nothing": pa.nulls(3),
    "a.b": pa.array(["dotted", "name", None]),
}


def test_kept_columns_of_all_types(tmp_path: Path):
    table = pa.table({"text": ["x", "", "z"], "a": pa.array([{"b": 1}, {"b": 2}, {"b": 3}]), **KEPT})
    pq.write_table(table, tmp_path / "a.parquet")
    plan, columns = planned(tmp_path, keep=tuple(KEPT))
    types = {name: array.type for name, array in KEPT.items()}
    types |= {"category": pa.string(), "nothing": pa.string(), "bytes": pa.binary()}
    assert plan.schema.names == list(KEPT)
    for field in plan.schema:
        assert field.type.equals(types[field.name]), field
    rows, _ = everything(plan, columns)
    assert [row.kept for row in rows] == table.select(list(KEPT)).take([0, 2]).to_pylist()


@given(
    st.lists(st.text("ab é\n", max_size=9), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 99),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_shards_over_any_row_groups(
    tmp_path: Path, texts: list[str], group: int, most: int, seed: int
):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": texts, "n": list(range(len(texts)))}), path, row_group_size=group)
    plan, columns = planned(path, cutting=Cutting(rows=most), keep=("n",))
    rows, _ = everything(plan, columns, seed=seed)
    assert [(row.number, row.text, row.kept["n"]) for row in rows] == [
        (i + 1, text, i) for i, text in enumerate(texts) if text.strip()
    ]


def test_a_shard_that_was_given_up_may_be_read_again(tmp_path: Path):
    path = tmp_path / "a.parquet"
    texts = [f"text {i}" for i in range(20_000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=7000)
    plan, columns = planned(path)
    shard = plan.shards[2]
    with Reader(plan.files, columns, plan.schema) as reader:
        for _ in range(2):
            first = next(reader.rows(shard))
            assert first.texts == texts[shard.first : shard.first + len(first.texts)]
        whole = [text for rows in reader.rows(shard) for text in rows.texts]
        assert whole == texts[shard.first : shard.first + shard.rows]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise elsewhere")
def test_a_huge_row_group_is_never_whole_in_memory(tmp_path: Path):
    draw = random.Random(0)
    words = [" ".join(draw.choices("abcdefgh", k=500)) for _ in range(64)]
    path = tmp_path / "a.parquet"
    schema = pa.schema([("text", pa.string()), ("other", pa.string())])
    texts = [f"{i} {words[i % 64]}" for i in range(80_000)]  # 80 MB, and as many beside it
    pq.write_table(
        pa.table({"text": texts, "other": texts}, schema=schema),
        path,
        row_group_size=1 << 20,
        use_dictionary=False,
    )
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    code = f"""
import resource
from input_oracle import planned
from youtu_st.scale.input.reading import Reader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
plan, columns = planned({str(path)!r})
with Reader(plan.files, columns, plan.schema) as reader:
    for shard in (plan.shards[-1], plan.shards[0]):
        print(sum(len(rows.ids) for rows in reader.rows(shard)) == shard.rows)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    assert done.returncode == 0, done.stderr
    *same, grown = done.stdout.split()
    assert same == ["True", "True"]
    assert int(grown) << 10 < 110 << 20  # of 160 MB; 70 of these are pyarrow itself
