"""Tables with vectors: Parquet, JSON Lines, a matrix with its texts."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import TinyEncoder

from youtu_st.errors import InputError
from youtu_st.index import VectorIndex
from youtu_st.index.exchange import Fields, import_index, open_source

TEXTS = [f"Row {i}." for i in range(30)]


def rows(encoder: TinyEncoder) -> list[list[float]]:
    return encoder.encode_document(TEXTS).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float32(), 16)]
)
def test_parquet_of_any_lists(kind: pa.DataType, tmp_path: Path, encoder: TinyEncoder) -> None:
    table = pa.table(
        {
            "id": pa.array(range(30)),
            "content": TEXTS,
            "embedding": pa.array(rows(encoder), kind),
            "lang": ["de", None] * 15,
            "day": [datetime.date(2026, 1, 2)] * 30,
            "price": [Decimal("1.50")] * 30,
            "deep": [{"a": [1, 2]}] * 30,
            "raw": [b"x"] * 30,
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=7)
    source = open_source(tmp_path / "t.parquet")
    assert source.notes == ["left out, as JSON has no bytes: raw"]
    import_index(source, tmp_path / "idx", encoder)
    with VectorIndex.open(tmp_path / "idx", encoder) as index:
        assert index.ids() == [str(i) for i in range(30)]
        (even, odd) = index.get(["2", "3"])
        assert even is not None
        assert odd is not None
        expected = {"day": "2026-01-02", "price": "1.50", "deep": {"a": [1, 2]}}
        assert (even.text, even.metadata) == ("Row 2.", {"lang": "de", **expected})
        assert odd.metadata == expected
        assert np.array_equal(index.vectors(index.ids()), encoder.encode_document(TEXTS))


def test_a_folder_of_parquet_with_named_columns(tmp_path: Path, encoder: TinyEncoder) -> None:
    (tmp_path / "parts").mkdir()
    for part in range(3):
        chosen = slice(10 * part, 10 * part + 10)
        values = {
            "body": TEXTS[chosen],
            "v": rows(encoder)[chosen],
            "metadata": [json.dumps({"part": part})] * 10,
        }
        pq.write_table(pa.table(values), tmp_path / "parts" / f"{part}.parquet")
    source = open_source(tmp_path / "parts", fields=Fields(text="body", vector="v"))
    import_index(source, tmp_path / "idx", encoder)
    with VectorIndex.open(tmp_path / "idx", encoder) as index:
        assert index.ids()[:2] == ["0.parquet:1", "0.parquet:2"]
        assert index.ids({"part": 2}) == [f"2.parquet:{i}" for i in range(1, 11)]


def test_lines_and_a_matrix(tmp_path: Path, encoder: TinyEncoder) -> None:
    lines = [json.dumps({"_id": f"x{i}", "text": text, "year": 2000 + i}) for i, text in enumerate(TEXTS)]
    (tmp_path / "m.jsonl").write_text("\ufeff" + "\n\n".join(lines), encoding="utf-8")
    np.save(tmp_path / "m.npy", 2 * encoder.encode_document(TEXTS).astype(np.float64))
    import_index(open_source(tmp_path / "m.npy"), tmp_path / "idx", encoder)
    with VectorIndex.open(tmp_path / "idx", encoder) as index:
        assert index.ids({"year": {"$gte": 2028}}) == ["x28", "x29"]
        assert index.vectors(index.ids()) == pytest.approx(encoder.encode_document(TEXTS), abs=1e-6)
    with pytest.raises(
        InputError, match=r"m\.jsonl has no field 'vector' or 'embedding' for the vector: .*--encode"
    ):
        open_source(tmp_path / "m.jsonl")
    import_index(open_source(tmp_path / "m.jsonl", vectors=False), tmp_path / "again", encoder, encode=True)
    with VectorIndex.open(tmp_path / "again", encoder) as index:
        assert np.array_equal(index.vectors(index.ids()), encoder.encode_document(TEXTS))


def written(path: Path, changed: dict[str, list[Any]], encoder: TinyEncoder) -> Path:
    values: dict[str, list[Any]] = {
        "id": [f"i{i}" for i in range(30)],
        "text": TEXTS,
        "vector": rows(encoder),
    }
    values |= changed
    if path.suffix == ".parquet":
        pq.write_table(pa.table(values), path)
    else:
        records = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def with_(values: list[Any], place: int, value: Any) -> list[Any]:
    return [*values[:place], value, *values[place + 1 :]]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_one_line_with_the_position(suffix: str, tmp_path: Path, encoder: TinyEncoder) -> None:
    ids, vectors = [f"i{i}" for i in range(30)], rows(encoder)
    nan = with_(vectors, 5, [float("nan"), *vectors[5][1:]])
    line = "row" if suffix == ".parquet" else "line"
    for changed, message in (
        ({"id": with_(ids, 9, "i3")}, "documents 3 and 9 have the same id 'i3'"),
        ({"id": with_(ids, 9, "")}, "document 9, '': its id must have at least one character"),
        ({"text": with_(TEXTS, 4, None)}, "document 4, 'i4': its text must be a str, not NoneType"),
        ({"text": with_(TEXTS, 4, "")}, "document 4, 'i4': its text is empty"),
        ({"vector": nan}, "document 5, 'i5': its vector must have a direction, and is not finite"),
        (
            {"vector": with_(vectors, 6, [0.0] * 16)},
            "document 6, 'i6': its vector must have a direction, and is all",
        ),
        ({"vector": with_(vectors, 7, [1.0])}, f"{line} 8: its vector has 1 numbers, and others have 16"),
        ({"vector": with_(vectors, 8, None)}, f"{line} 9: its vector"),
        ({"metadata": ["{"] * 30}, f"{line} 1: its metadata is no JSON"),
        (
            {"metadata": ['{"lang": "zh"}'] * 30, "lang": ["zh"] * 29 + ["en"]},
            f"{line} 30: its field 'lang' is there twice: 'zh' in its metadata, and 'en' beside it",
        ),
        ({"metadata": ["[1]"] * 30}, f"{line} 1: its metadata must be an object, not \\[1\\]"),
    ):
        path = written(tmp_path / f"t{suffix}", changed, encoder)
        with pytest.raises(InputError, match=message) as caught:
            import_index(open_source(path), tmp_path / "idx", encoder)
        assert "\n" not in str(caught.value)
        assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_field_may_be_in_the_metadata_and_beside_it(tmp_path: Path, encoder: TinyEncoder) -> None:
    held = [
        {"lang": "zh" if i % 2 else None, "n": i} for i in range(30)
    ]  # as a struct has a field of each row
    path = written(tmp_path / "t.parquet", {"metadata": held, "lang": ["zh"] * 30}, encoder)
    import_index(open_source(path), tmp_path / "idx", encoder)
    with VectorIndex.open(tmp_path / "idx", encoder) as index:
        assert [one.metadata for one in index.get(["i0", "i1"]) if one] == [
            {"lang": "zh", "n": 0},
            {"lang": "zh", "n": 1},
        ]


def test_what_is_no_table(tmp_path: Path, encoder: TinyEncoder) -> None:
    def refused(name: str, content: bytes, message: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            import_index(open_source(tmp_path / name), tmp_path / "idx", encoder)
        assert "\n" not in str(caught.value)

    refused("a.parquet", b"PAR1 not really PAR1", "it is not a Parquet file that can be read")
    refused("a.jsonl", b"{", r"a\.jsonl, line 1: it is no JSON")
    refused("a.jsonl", b'{"id": "a", "id": "b", "text": "x"}', "line 1: .* the field 'id' is there twice")
    refused("a.jsonl", b"[1]", r"a\.jsonl, line 1: it must be an object, not \[1\]")
    refused("a.jsonl", b"[" * 100_000, r"line 1: it is no JSON: it is nested too deeply")
    refused(
        "a.jsonl",
        b'{"text": "x", "vector": [%s]}' % b", ".join([b'"a"'] * 16),
        "line 1: its vector must be a list of numbers",
    )
    refused("a.jsonl", b'{"text": "x", "vector": {}}', "line 1: its vector must be a list of numbers")
    refused(
        "a.jsonl",
        b'{"id": [], "text": "x", "vector": [%s]}' % b", ".join([b"1"] * 16),
        "its id must be a str or an int",
    )
    refused("a.npy", b"\x93NUMPY nothing", "a.npy is no matrix of NumPy that can be read")
    refused("b.npy", b"", r"b\.npy: its texts must be beside it, in b\.jsonl")
    refused("a.csv", b"text", r"a\.csv is none of: a FAISS folder of LangChain")
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="no matrix of NumPy that can be read"):
        open_source(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.eye(3))
    with pytest.raises(InputError, match=r"a\.npy has 3 rows, and a\.jsonl has 1 lines"):
        open_source(tmp_path / "a.npy")
    with pytest.raises(InputError, match="there is no such file or folder"):
        open_source(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty is none of: a FAISS folder"):
        open_source(tmp_path / "empty")
    with pytest.raises(InputError, match="collection must be None for a file of JSON Lines"):
        open_source(tmp_path / "a.jsonl", collection="x", vectors=False)
    with VectorIndex.create(tmp_path / "idx", encoder):
        pass
    with pytest.raises(InputError, match="is an index already: youtu-st index merge"):
        open_source(tmp_path / "idx")


def test_odd_tables_are_a_line(tmp_path: Path, encoder: TinyEncoder) -> None:
    twice = pa.table([TEXTS, TEXTS, rows(encoder)], names=["text", "text", "vector"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet has two columns 'text'$"):
        open_source(tmp_path / "t.parquet")
    deep = f'{{"text": "a", "vector": {rows(encoder)[0]}, "deep": {"[" * 900}{"]" * 900}}}'
    (tmp_path / "deep.jsonl").write_text(deep)
    with pytest.raises(InputError, match=r"deep\.jsonl, line 1: its metadata is nested too deeply$"):
        import_index(open_source(tmp_path / "deep.jsonl"), tmp_path / "idx", encoder)
    with (tmp_path / "m.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (-30, 16)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(4 * 30 * 16))
    (tmp_path / "m.jsonl").write_text('{"text": "a"}\n' * 30)
    with pytest.raises(InputError, match=r"m\.npy is no matrix of NumPy that can be read: "):
        open_source(tmp_path / "m.npy")
