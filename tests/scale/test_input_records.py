"""Lines of JSON and rows of CSV: odd ones are bad rows, with the line that they begin in."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from input_oracle import everything, planned, reasons, write_jsonl

from youtu_st.errors import InputError
from youtu_st.scale.settings import Cutting


def read(path: Path, **columns) -> tuple[list, list]:
    plan, asked = planned(path, cutting=Cutting(rows=2), **columns)
    rows, rejected = everything(plan, asked, seed=0)
    assert [row.file for row in rows] == [str(path)] * len(rows)
    return rows, reasons(rejected)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "blank, so there is nothing to encode"),
        (" \t ", "blank, so there is nothing to encode"),
        ('{"id": "x", "text": ""}', "blank, so there is nothing to encode"),
        ('{"id": "x", "text": " \\u3000\\n"}', "blank, so there is nothing to encode"),
        ('{"id": "x", "text": null}', "column 'text' is null"),
        ('{"id": "x", "text": 5}', "column 'text' must be a string, not int"),
        ('{"id": "x", "text": ["a"]}', "column 'text' must be a string, not list"),
        ('{"id": "x"}', "no column 'text' or 'content'"),
        (
            '{"id": "x", "text": "half \\ud83d"}',
            "it holds half a surrogate pair, '\\ud83d', which is no character",
        ),
        ('{"id": "x", "text": "a", "n": NaN}', "not valid JSON: NaN is not JSON"),
        ('{"id": "x", "text": "a", "text": "b"}', "not valid JSON: the field 'text' is there twice"),
        ('{"id": "x", "text": "a"', "not valid JSON: Expecting ',' delimiter at column 24"),
        ("[1]", "must be an object with a field 'text', or a string"),
        ("[" * 100_000, "not valid JSON: it is nested too deeply"),
        ('{"id": null, "text": "a"}', "its id, column 'id', is null"),
        ('{"text": "a"}', "its id, column 'id', is missing"),
        ('{"id": " ", "text": "a"}', "its id is blank"),
        ('{"id": 1.5, "text": "a"}', "its id, column 'id', must be a string or an int, not float"),
        ('{"id": true, "text": "a"}', "its id, column 'id', must be a string or an int, not bool"),
        ('{"id": "x", "text": "caf\udce9"}', "not UTF-8 at byte 24 of the line (0xe9)"),
    ],
)
def test_bad_lines_of_json(tmp_path: Path, line: str, reason: str):
    good = ['{"id": "grün", "text": "schön"}', '{"id": 7, "text": "zwei"}']
    rows, bad = read(write_jsonl(tmp_path / "a.jsonl", [good[0], line, good[1]]), id="id")
    assert [(row.number, row.id, row.text) for row in rows] == [(1, "grün", "schön"), (3, "7", "zwei")]
    ((number, id, said),) = bad
    assert (number, said) == (2, reason)
    assert id == (
        "x"
        if '"x"' in line and "JSON" not in reason and "UTF" not in reason and "pair" not in reason
        else None
    )
    assert said.isprintable()


def test_a_line_may_be_the_text(tmp_path: Path):
    rows, bad = read(write_jsonl(tmp_path / "a.jsonl", ['"one"', '"two\\n"']))
    assert [row.text for row in rows] == ["one", "two\n"]
    assert bad == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_marks(tmp_path: Path, mark: str, end: str):
    records = [{"id": i, "text": f"text {i}"} for i in range(7)]
    path = write_jsonl(tmp_path / "a.jsonl", [mark + json.dumps(records[0]), *records[1:]], end=end)
    rows, bad = read(path, id="id")
    assert [(row.id, row.text) for row in rows] == [(str(i), f"text {i}") for i in range(7)]
    assert bad == []


def test_huge_lines(tmp_path: Path):
    texts = ["a" * (3 << 20), "b", "ü" * (2 << 20), "c"]
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": text} for text in texts])
    plan, columns = planned(path, cutting=Cutting(tokens=100))
    rows, _ = everything(plan, columns, seed=2)
    assert [row.text for row in rows] == texts
    assert [(shard.rows, shard.tokens) for shard in plan.shards] == [
        (1, 3 << 18),
        (1, 1),
        (1, 1 << 20),
        (1, 1),
    ]


CELL = st.text('ab\n\r",; \té', max_size=6)


@given(st.lists(st.tuples(CELL, CELL), max_size=12), st.integers(1, 4), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_quoted_rows_are_where_csv_says(tmp_path: Path, cells: list[tuple[str, str]], most: int, end: str):
    """The oracle writes with ``csv``, and reads the whole text; here each shard begins at its own byte."""
    cells = [("first", "row"), *cells]
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator=end, quoting=csv.QUOTE_ALL)  # else it leaves a "\r" bare
    writer.writerow(["note", "text"])
    starts = []
    for row in cells:
        content = written.getvalue()
        starts.append(len(content.encode()))
        writer.writerow(row)
    content = written.getvalue().encode()
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    plan, columns = planned(path, cutting=Cutting(rows=most), keep=("note",))
    rows, rejected = everything(plan, columns, seed=4)

    def plain(text: str) -> str:
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def line_of(place: int) -> int:
        return plain(content[:place].decode()).count("\n") + 1

    good = [(line_of(starts[i]), plain(b), plain(a)) for i, (a, b) in enumerate(cells) if b.strip()]
    blank = [line_of(starts[i]) for i, (_, b) in enumerate(cells) if not b.strip()]
    numbers_are_read = all(row.kept["note"] == note for row, (_, _, note) in zip(rows, good, strict=True))
    assert [(row.number, row.text) for row in rows] == [(number, text) for number, text, _ in good]
    assert numbers_are_read
    assert [bad.row for bad in rejected] == blank
    assert [shard.offset for shard in plan.shards] == starts[::most]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv"])
def test_bad_rows_of_csv(tmp_path: Path, suffix: str):
    d = "\t" if suffix == ".tsv" else ","
    lines = [
        f"id{d}text",
        f"a{d}one",
        f"b{d}two{d}more",
        "",
        f'c{d}"three\nlines\n"',
        f"{d}four",
        f"d{d}  ",
        "e",
        f'f{d}"stray" quote',
        f'g{d}"a ""quoted"" word"',
        f"h{d}caf\udce9",
        f"i{d}größer und schöner",
    ]
    content = "\n".join(lines).encode("utf-8", "surrogateescape")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    rows, bad = read(path, id="id")
    assert [(row.number, row.id, row.text) for row in rows] == [
        (2, "a", "one"),
        (5, "c", "three\nlines\n"),
        (12, "g", 'a "quoted" word'),
        (14, "i", "größer und schöner"),
    ]
    wanted = "' ' expected" if d == "\t" else "',' expected"
    assert bad == [
        (3, None, "3 fields, and the header has 2"),
        (8, None, "its id is blank"),
        (9, "d", "blank, so there is nothing to encode"),
        (10, None, "1 field, and the header has 2"),
        (11, None, f"not valid CSV: {wanted} after '\"'"),
        (13, None, "not UTF-8 at byte 5 of the line (0xe9)"),
    ]


def test_an_open_quote_does_not_swallow_the_rest(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('text\n"open\nand\nopen\n')
    with pytest.raises(InputError, match=r"a\.csv, row 2: not valid CSV: unexpected end of data"):
        planned(path)
    path.write_text('text\nx\n"open\nand "closed" again\n')
    with pytest.raises(InputError, match=r"a\.csv, row 3: not valid CSV: ',' expected after"):
        planned(path)


def test_headers(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("\n\nid;text\n1;a, b\n")  # as spreadsheets write where a comma is a decimal point
    assert [(row.number, row.id, row.text) for row in read(path, id="id")[0]] == [(4, "1", "a, b")]
    path.write_text("text,text\na,b\n")
    with pytest.raises(InputError, match=r"two columns of one name: 'text'"):
        planned(path)
    path.write_text("id,body\n1,a\n")
    with pytest.raises(InputError, match=r"a\.csv: no column 'text' or 'content'; its columns: id, body"):
        planned(path)
    with pytest.raises(InputError, match=r"a\.csv: no column 'key'; its columns: id, body"):
        planned(path, text="body", id="key")
    with pytest.raises(InputError, match=r"a\.csv: no column 'url'; its columns: id, body"):
        planned(path, text="body", keep=("url",))
    path.write_text("")
    (tmp_path / "b.txt").write_text("row\n")
    plan, columns = planned(tmp_path)
    assert [file.rows for file in plan.files] == [0, 1]
    assert len(everything(plan, columns)[0]) == 1


def test_a_column_that_no_record_has(tmp_path: Path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"id": 1, "body": "x", "n": i} for i in range(3)])
    with pytest.raises(
        InputError, match=r"a\.jsonl: no column 'text' or 'content'; its columns: id, body, n$"
    ):
        planned(path)
    with pytest.raises(InputError, match=r"a\.jsonl: no column 'key'; its columns: id, body, n$"):
        planned(path, text="body", id="key")
    with pytest.raises(InputError, match=r"a\.jsonl: no column 'url'; its columns: id, body, n$"):
        planned(path, text="body", keep=("n", "url"))
    (tmp_path / "b.txt").write_text("x\n")
    with pytest.raises(InputError, match=r"b\.txt: no column 'url'; its columns: none$"):
        planned(tmp_path / "b.txt", keep=("url",))


def test_every_record_may_call_its_text_otherwise(tmp_path: Path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"content": "x"}, {"text": "y", "content": "no"}])
    assert [row.text for row in read(path)[0]] == ["x", "y"]
