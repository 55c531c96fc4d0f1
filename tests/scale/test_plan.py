"""Plans: what is counted, what is refused, and that each row is in one shard."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from input_oracle import everything, planned, reasons, write_jsonl

from youtu_st.errors import InputError
from youtu_st.scale.input.columns import JSON_MARK
from youtu_st.scale.input.files import find_inputs
from youtu_st.scale.input.planning import plan_input
from youtu_st.scale.input.reading import Reader, read_rows
from youtu_st.scale.settings import Columns, Cutting


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_all_kinds(count: int) -> dict[str, list[str]]:
    """The same texts in every kind of file, by name."""
    texts = [f"Text {i} " + "wörter " * (i * 7 % 11) for i in range(count)]
    pq.write_table(
        pa.table({"key": [f"p{i}" for i in range(count)], "text": texts}), "in/a.parquet", row_group_size=70
    )
    for name in ("b.jsonl", "c.jsonl.gz"):
        write_jsonl(
            Path("in", name), ({"key": f"{name[0]}{i}", "text": text} for i, text in enumerate(texts))
        )
    for name, delimiter in (("d.csv", ","), ("e.tsv", "\t")):
        rows = "".join(f'{name[0]}{i}{delimiter}"{text}"\n' for i, text in enumerate(texts))
        Path("in", name).write_text(f"key{delimiter}text\n{rows}")
    Path("in/f.txt").write_text("\n".join(texts))
    return dict.fromkeys(
        ("in/a.parquet", "in/b.jsonl", "in/c.jsonl.gz", "in/d.csv", "in/e.tsv", "in/f.txt"), texts
    )


def test_all_kinds_together():
    Path("in").mkdir()
    expected = write_all_kinds(250)
    plan, columns = planned("in", cutting=Cutting(tokens=300, rows=40))
    assert [file.name for file in plan.files] == list(expected)
    assert [file.rows for file in plan.files] == [250] * 6
    assert (plan.rows, plan.rejected, plan.first_rejected) == (1500, 0, None)
    assert plan.text_column == "text"
    assert plan.schema == pa.schema([])
    for seed in (None, 0, 1):
        rows, _ = everything(plan, columns, seed=seed)
        first = {"in/d.csv": 2, "in/e.tsv": 2}
        assert [(row.file, row.number, row.text) for row in rows] == [
            (name, i + first.get(name, 1), text)
            for name, texts in expected.items()
            for i, text in enumerate(texts)
        ]
        assert [row.id for row in rows] == [f"{row.file}:{row.number}" for row in rows]
    for shard in plan.shards:
        file = plan.files[shard.file]
        texts = [text for block in read_rows(file, shard, columns, plan.schema) for text in block.texts]
        sizes = [max(1, -(-len(text.encode()) // 4)) for text in texts]
        assert (shard.rows, shard.tokens, shard.longest) == (len(texts), sum(sizes), max(sizes))
    assert [shard.number for shard in plan.shards] == list(range(len(plan.shards)))


def test_the_plan_depends_on_the_input_and_the_arguments_alone():
    Path("in").mkdir()
    write_all_kinds(60)
    files = find_inputs(["in"])
    plans = [plan_input(files, Columns(), Cutting(rows=7)) for _ in range(2)]
    assert plans[0] == plans[1]
    further = plan_input(files, Columns(), Cutting(rows=7), first_number=100)
    assert further.shards == tuple(shard._replace(number=shard.number + 100) for shard in plans[0].shards)


def test_who_waits_is_told():
    write_jsonl(Path("a.jsonl"), ({"text": "x"} for _ in range(9000)))
    pq.write_table(pa.table({"text": ["x"] * 9000}), "b.parquet")
    told: list[tuple[int, str]] = []
    plan_input(find_inputs(["."]), Columns(), Cutting(), report=lambda *state: told.append(state))
    assert len(told) >= 4
    assert sorted(told) == told
    assert told[-1] == (18_000, "b.parquet")
    assert ("a.jsonl") in {name for _, name in told}


VALUES: dict[str, tuple[list[Any], pa.DataType | None]] = {
    "texts": (["a", "ü", None], pa.string()),
    "ints": ([1, None, -(2**63)], pa.int64()),
    "floats": ([1.5, 2, None], pa.float64()),
    "bools": ([True, False, None], pa.bool_()),
    "nothing": ([None, None, None], pa.string()),
    "large": ([2**63, 1, None], None),
    "inexact": ([2**53 + 1, 0.5, None], None),
    "mixed": ([1, "a", True], None),
    "nested": ([{"a": [1, {"b": "ü"}]}, [], None], None),
}


def test_types_of_kept_columns_of_json():
    records = [{"text": "x", **{name: values[i] for name, (values, _) in VALUES.items()}} for i in range(3)]
    for name in VALUES:
        del records[2][name]  # what is missing is null
    records[2]["mixed"] = True
    write_jsonl(Path("a.jsonl"), records[:1])
    write_jsonl(Path("b.jsonl"), records[1:])
    plan, columns = planned("a.jsonl", "b.jsonl", keep=tuple(VALUES), keep_text=True)
    rows, _ = everything(plan, columns)
    for name, (values, type_) in VALUES.items():
        field = plan.schema.field(name)
        found = [row.kept[name] for row in rows]
        if type_ is None:
            assert (field.type, field.metadata) == (pa.string(), JSON_MARK)
            found = [None if value is None else json.loads(value) for value in found]
        else:
            assert (field.type, field.metadata) == (type_, None)
        expected = [*values[:2], True if name == "mixed" else None]
        assert found == expected
        assert [type(value) for value in found] == [
            float if name == "floats" and value is not None else type(value) for value in expected
        ]
    assert [row.kept["text"] for row in rows] == ["x"] * 3
    assert plan.schema.names == [*VALUES, "text"]


def test_types_of_kept_columns_of_csv():
    Path("a.csv").write_text("text,int,float,zip,odd,empty\nx,1,1.5,007,1,\ny,,2,2,a,\n")
    Path("b.csv").write_text("empty,odd,zip,float,int,text\n,2,3,,-7,z\n")
    keep = ("int", "float", "zip", "odd", "empty")
    plan, columns = planned("a.csv", "b.csv", keep=keep)
    assert plan.schema.types == [pa.int64(), pa.float64(), pa.string(), pa.string(), pa.string()]
    rows, _ = everything(plan, columns, seed=5)
    assert [list(row.kept.values()) for row in rows] == [
        [1, 1.5, "007", "1", ""],
        [None, 2.0, "2", "a", ""],
        [-7, None, "3", "2", ""],
    ]


def test_cells_stay_texts_beside_texts_of_json():
    Path("a.csv").write_text("text,n\nx,1\n")
    write_jsonl(Path("b.jsonl"), [{"text": "y", "n": "one"}])
    plan, columns = planned("a.csv", "b.jsonl", keep=("n",))
    assert plan.schema == pa.schema([("n", pa.string())])
    assert [row.kept["n"] for row in everything(plan, columns)[0]] == ["1", "one"]
    write_jsonl(Path("b.jsonl"), [{"text": "y", "n": 2.5}])
    plan, columns = planned("a.csv", "b.jsonl", keep=("n",))
    assert [row.kept["n"] for row in everything(plan, columns)[0]] == [1.0, 2.5]


@pytest.mark.parametrize(
    ("left", "right"), [(pa.int64(), pa.int32()), (pa.string(), pa.int64()), (pa.float64(), pa.float32())]
)
def test_kept_columns_of_two_types_in_parquet(left: pa.DataType, right: pa.DataType):
    for name, type_ in (("a", left), ("b", right)):
        pq.write_table(pa.table({"text": ["x"], "n": pa.array([1]).cast(type_)}), f"{name}.parquet")
    with pytest.raises(InputError) as caught:
        planned("a.parquet", "b.parquet", keep=("n",))
    assert str(caught.value) == (
        f"the column 'n' cannot be kept: it is {left} in a.parquet, and {right} in b.parquet"
    )


def test_texts_that_are_held_otherwise_and_columns_of_nothing_agree():
    for name, array in {
        "a": pa.nulls(1),
        "b": pa.array(["x"]),
        "c": pa.array(["y"], pa.large_string()),
        "d": pa.array(["z"]).dictionary_encode(),
    }.items():
        pq.write_table(pa.table({"text": ["x"], "n": array}), f"{name}.parquet")
    write_jsonl(Path("e.jsonl"), [{"text": "y", "n": "w"}])
    plan, columns = planned(".", keep=("n",))
    assert plan.schema == pa.schema([("n", pa.string())])
    assert [row.kept["n"] for row in everything(plan, columns)[0]] == [None, "x", "y", "z", "w"]
    write_jsonl(Path("e.jsonl"), [{"text": "y", "n": ["w"]}])
    with pytest.raises(
        InputError, match=r"it is string in b\.parquet, and of several types in files without types"
    ):
        planned(".", keep=("n",))


def test_files_that_are_added_fit_what_is_kept():
    keep = ("a", "b", "c")
    write_jsonl(Path("a.jsonl"), [{"text": "x", "a": 1.5, "b": "t", "c": [1]}])
    stored = planned("a.jsonl", keep=keep)[0].schema
    write_jsonl(Path("b.jsonl"), [{"text": "y", "a": 2, "c": "plain"}])
    columns = Columns(keep=keep)
    plan = plan_input(find_inputs(["b.jsonl"]), columns, Cutting(), schema=stored)
    assert plan.schema == stored
    assert plan.schema.field("c").metadata == JSON_MARK
    assert [row.kept for row in everything(plan, columns)[0]] == [{"a": 2.0, "b": None, "c": '"plain"'}]
    write_jsonl(Path("b.jsonl"), [{"text": "y", "a": "no number", "b": "t", "c": 1}])
    with pytest.raises(
        InputError, match="'a' cannot be kept: it is double in the job's other files, and string in"
    ):
        plan_input(find_inputs(["b.jsonl"]), columns, Cutting(), schema=stored)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (("id",), "a column 'id' cannot be kept"),
        (("vector",), "a column 'vector' cannot be kept"),
        (("text",), "a column 'text' cannot be kept, for a shard has one of its own: keep_text"),
        (("n", "n"), "the column 'n' is to be kept twice"),
    ],
)
def test_columns_that_a_shard_has_anyway(keep: tuple[str, ...], message: str):
    write_jsonl(Path("a.jsonl"), [{"text": "x", "n": 1, "id": 1, "vector": [1]}])
    with pytest.raises(InputError, match=message):
        planned("a.jsonl", keep=keep)


def test_two_rows_with_one_id():
    pq.write_table(pa.table({"id": [1, 2, 3], "text": ["x"] * 3}), "a.parquet")
    write_jsonl(
        Path("b.jsonl"), [{"id": "7", "text": "x"}, {"id": "2", "text": ""}, {"id": "3", "text": "y"}]
    )
    Path("c.csv").write_text('id,text\n8,"two\nlines"\n7,x\n')
    with pytest.raises(InputError, match=r"^two rows with one id: a\.parquet, row 3, and b\.jsonl, row 3$"):
        planned("a.parquet", "b.jsonl", id="id")
    with pytest.raises(InputError, match=r"^two rows with one id: b\.jsonl, row 1, and c\.csv, row 4$"):
        planned("b.jsonl", "c.csv", id="id")
    plan, _ = planned("a.parquet", "c.csv", id="id")
    assert (plan.rows, plan.rejected) == (5, 0)
    columns = Columns(id="id")
    with pytest.raises(InputError, match=r"one id: a row that the job has already, and c\.csv, row 2$"):
        plan_input(find_inputs(["c.csv"]), columns, Cutting(), known_ids=[["1"], ["9", "8"]])


def test_a_bad_rows_id_may_be_there_again():
    write_jsonl(Path("a.jsonl"), [{"id": "a", "text": ""}, {"id": "a", "text": "x"}])
    plan, columns = planned("a.jsonl", id="id")
    rows, rejected = everything(plan, columns)
    assert [row.id for row in rows] == ["a"]
    assert reasons(rejected) == [(1, "a", "blank, so there is nothing to encode")]


def test_no_input():
    with pytest.raises(InputError, match="no rows"):
        plan_input([], Columns(), Cutting())
    Path("a.txt").write_text("")
    with pytest.raises(InputError, match="no rows"):
        planned("a.txt")


def test_nothing_but_bad_rows():
    Path("a.txt").write_text("\n" * 3000)
    plan, columns = planned("a.txt")
    assert (plan.rows, plan.rejected) == (3000, 3000)
    assert str(plan.first_rejected) == "a.txt, row 1: blank, so there is nothing to encode"
    assert [(shard.rows, shard.tokens, shard.longest) for shard in plan.shards] == [(3000, 0, 0)]
    assert everything(plan, columns)[0] == []


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.jsonl.gz", "a.csv", "a.txt"])
def test_a_file_that_changes_after_it_was_planned(name: str):
    def write(count: int) -> None:
        texts = [f"text {i}" for i in range(count)]
        if name == "a.parquet":
            pq.write_table(pa.table({"text": texts}), name)
        elif "jsonl" in name:
            write_jsonl(Path(name), ({"text": text} for text in texts))
        else:
            Path(name).write_text("\n".join(["text", *texts]))

    write(5000)
    plan, columns = planned(name)
    write(4000)
    with pytest.raises(InputError, match=rf"^{name}: the file has changed since it was planned$"):
        everything(plan, columns)
    # Where its ends are the same, rows that are not there tell.
    size, digest = find_inputs([name])[0].size, find_inputs([name])[0].digest
    plan.files = tuple(
        type(file)(file.name, file.path, file.kind, size, digest, file.rows) for file in plan.files
    )
    with pytest.raises(InputError, match=rf"^{name}: the file has changed since it was planned$"):
        everything(plan, columns)
    os.remove(name)
    with pytest.raises(InputError, match=rf"{name}: cannot be read: no such file or directory$"):
        everything(plan, columns)


def test_a_file_that_changes_while_it_is_planned():
    write_jsonl(Path("a.jsonl"), ({"text": f"text {i}"} for i in range(9000)))

    def grow(rows: int, _: str) -> None:
        if rows < 5000:
            with open("a.jsonl", "a") as file:
                file.write('{"text": "more"}\n')

    with pytest.raises(InputError, match=r"^a\.jsonl: the file has changed since it was planned$"):
        plan_input(find_inputs(["a.jsonl"]), Columns(), Cutting(), report=grow)


def test_a_value_of_another_type_far_from_the_ends():
    records = [{"text": f"text {i}", "n": 10_000 + i} for i in range(9000)]
    write_jsonl(Path("a.jsonl"), records)
    plan, columns = planned("a.jsonl", keep=("n",))
    records[4500]["n"] = "abc"  # as many bytes
    write_jsonl(Path("a.jsonl"), records)
    assert find_inputs(["a.jsonl"])[0].digest == plan.files[0].digest
    with pytest.raises(InputError, match=r"^a\.jsonl: the file has changed since it was planned$"):
        everything(plan, columns)


def test_a_shard_that_begins_in_the_middle_of_a_line():
    write_jsonl(Path("a.jsonl"), ({"text": f"text {i}"} for i in range(20)))
    plan, columns = planned("a.jsonl", cutting=Cutting(rows=5))
    moved = plan.shards[1]._replace(offset=plan.shards[1].offset + 1)
    with (
        pytest.raises(InputError, match="the file has changed"),
        Reader(plan.files, columns, plan.schema) as reader,
    ):
        list(reader.rows(moved))


TEXT = st.text("ab é\n\r\t\u2028\x00😀", max_size=8)


@given(
    st.lists(st.tuples(TEXT, st.none() | st.integers(-9, 9) | TEXT), min_size=1, max_size=30),
    st.sampled_from(["a.jsonl", "a.jsonl.gz"]),
    st.integers(1, 12),
    st.integers(1, 6),
    st.integers(0, 9),
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_as_it_was_written(records: list[tuple[str, Any]], name: str, tokens: int, most: int, seed: int):
    write_jsonl(Path(name), ({"text": text, "n": n} for text, n in records))
    plan, columns = planned(name, cutting=Cutting(tokens, most), keep=("n",))
    rows, rejected = everything(plan, columns, seed=seed)
    good = [(i, text, n) for i, (text, n) in enumerate(records, start=1) if text.strip()]
    is_json = plan.schema.field("n").metadata == JSON_MARK
    found = [
        json.loads(row.kept["n"]) if is_json and row.kept["n"] is not None else row.kept["n"] for row in rows
    ]
    assert [(row.number, row.text) for row in rows] == [(i, text) for i, text, _ in good]
    assert found == [n for _, _, n in good]
    assert [bad.row for bad in rejected] == [
        i for i, (text, _) in enumerate(records, start=1) if not text.strip()
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise elsewhere")
@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
def test_memory_does_not_grow_with_the_rows(kind: str):
    def grown(rows: int) -> int:
        name = f"{rows}.{kind}"
        draw = random.Random(0)
        texts = (f"A short text of number {i}" for i in range(rows))
        if kind == "jsonl":
            write_jsonl(Path(name), ({"id": f"doc {i}", "text": text} for i, text in enumerate(texts)))
        elif kind == "csv":
            Path(name).write_text("id,text\n" + "".join(f"doc {i},{text}\n" for i, text in enumerate(texts)))
        else:
            ids = [f"doc {i} {draw.random()}" for i in range(rows)]
            pq.write_table(pa.table({"id": ids, "text": list(texts)}), name)
        code = f"""
import resource
from input_oracle import planned
print(len(planned({name!r}, id="id")[0].shards), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[1]) << 10

    assert grown(1_000_000) - grown(10_000) < 45 << 20
