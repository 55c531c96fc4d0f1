"""Conversion of anything: tables beside brute force, rows there and back, and lines that are no rows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.training.data.conversion import FORMATS, convert
from youtu_st.training.data.rows import Row, RowError, Text, dump, read_rows
from youtu_st.training.data.tally import MOST, Tally
from youtu_st.training.data.wanted import Wanted

ANY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS, max_size=8)
THERE = TEXTS.filter(lambda text: bool(text.strip()))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def read(path: Path) -> list[Row]:
    found = [row for _, row in read_rows(path)]
    return (
        [row for row in found if isinstance(row, Row)]
        if not any(isinstance(row, RowError) for row in found)
        else pytest.fail(str(found))
    )


@st.composite
def rows(draw: st.DrawFn) -> Row:
    task = draw(st.sampled_from(["ir", "sts", "cls"]))
    texts = st.builds(Text, THERE, TEXTS, TEXTS)
    positives = tuple(draw(st.lists(texts, min_size=1, max_size=3)))
    negatives = tuple(draw(st.lists(texts, max_size=3)))
    scored = task == "sts" or draw(st.booleans())
    labelled = task == "cls" and draw(st.booleans())

    def scores(of: tuple[Text, ...]) -> tuple[float, ...] | None:
        return tuple(draw(NUMBERS) for _ in of) if scored and of else None

    return Row(
        task,
        draw(texts),
        positives,
        negatives,
        scores(positives),
        scores(negatives),
        draw(TEXTS) if labelled else None,
        tuple(draw(TEXTS) for _ in negatives) if labelled else None,
    )


@ANY
@given(st.lists(rows(), min_size=1, max_size=5))
def test_rows_there_and_back(tmp_path: Path, found: list[Row]) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    source.write_text(dump(found), encoding="utf-8", newline="\n")
    convert(source, out, format="codiemb", force=True)
    assert read(out) == found
    assert out.read_bytes() == source.read_bytes()


CELL = st.one_of(st.none(), TEXTS)
RECORD = st.fixed_dictionaries(
    {"anchor": CELL, "positive": CELL}, optional={"negative": CELL, "negative_1": CELL, "negative_2": CELL}
)


def by_hand(record: dict[str, Any]) -> Row | None:
    """A triplet as it should be; None: it is malformed."""
    sides = [record["anchor"], record["positive"]]
    negatives = [record[name] for name in record if name.startswith("negative")]
    negatives = [text for text in negatives if text not in (None, "")]
    if any(text is None or not text.strip() for text in sides) or not all(map(str.strip, negatives)):
        return None
    return Row("ir", Text(sides[0], "I"), (Text(sides[1]),), tuple(map(Text, negatives)))


def as_csv(records: list[dict[str, Any]], delimiter: str) -> str:
    names = list(dict.fromkeys(name for record in records for name in record))
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([names, *([record.get(name) or "" for name in names] for record in records)])
    return file.getvalue()


@ANY
@given(st.lists(RECORD, min_size=1, max_size=6), st.sampled_from([".jsonl", ".csv", ".tsv", ".parquet"]))
def test_a_random_table_beside_brute_force(
    tmp_path: Path, records: list[dict[str, Any]], suffix: str
) -> None:
    source, out, tally = tmp_path / f"a{suffix}", tmp_path / "out.jsonl", Tally()
    if suffix == ".jsonl":
        source.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        names = list(dict.fromkeys(name for record in records for name in record))
        columns = {name: pyarrow.array([r.get(name) for r in records], pyarrow.string()) for name in names}
        pyarrow.parquet.write_table(pyarrow.table(columns), source)
        records = [{name: record.get(name) for name in names} for record in records]
    else:
        source.write_text(as_csv(records, "\t" if suffix == ".tsv" else ","), encoding="utf-8", newline="")
        names = list(dict.fromkeys(name for record in records for name in record))
        records = [{name: record.get(name) for name in names} for record in records]
    want = [by_hand(record) for record in records]
    how: dict[str, Any] = {"format": "sentence-transformers", "force": True, "tally": tally}
    try:
        made = convert(source, out, wanted=Wanted(instruction="I"), skip_errors=True, **how)
    except InputError as error:
        assert not any(want)
        assert "no row that can be trained on" in str(error)
    else:
        assert read(out) == [row for row in want if row is not None]
        assert made.rows == {"ir": len(read(out))}
    assert tally.errors.total() == want.count(None)
    assert not tally.left_out


@ANY
@given(
    st.lists(
        st.tuples(st.sampled_from("PQR"), st.sampled_from("abc"), st.sampled_from([0, 1, 2, -1])),
        min_size=1,
        max_size=12,
    )
)
def test_random_inferences_beside_brute_force(tmp_path: Path, lines: list[tuple[str, str, int]]) -> None:
    source, out, tally = tmp_path / "a.jsonl", tmp_path / "out.jsonl", Tally()
    names = ("premise", "hypothesis", "label")
    source.write_text("".join(json.dumps(dict(zip(names, line, strict=True))) + "\n" for line in lines))
    want, used = [], 0
    for premise in dict.fromkeys(premise for premise, _, label in lines if label in (0, 2)):
        of = [list(dict.fromkeys(h for p, h, k in lines if (p, k) == (premise, kind))) for kind in (0, 2)]
        contradicted = [h for h in of[1] if h not in of[0]]
        if of[0]:
            want.append(Row("ir", Text(premise), tuple(map(Text, of[0])), tuple(map(Text, contradicted))))
            used += len(of[0]) + len(contradicted)
    if not want:
        with pytest.raises(InputError, match="no row that can be trained on"):
            convert(source, out, force=True, tally=tally)
    else:
        convert(source, out, force=True, tally=tally)
        assert read(out) == want
    assert tally.left_out.total() == len(lines) - used  # every line is used, or counted


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
FIELDS = sorted(
    {"anchor", "positive", "negative", "negative_1", "scores", "score", "label", "query", "pos", "neg"}
    | {"pos_scores", "neg_scores", "prompt", "type", "messages", "positive_messages", "negative_messages"}
    | {"response", "rejected_response", "system", "images", "premise", "hypothesis", "sentence1", "sentence2"}
    | {"text", "category", "task_type", "positives", "negatives", "positive_scores"}
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "other"]), "content": JSON}), max_size=3
)
VALUE = st.one_of(JSON, TEXTS, st.lists(TEXTS, max_size=2), MESSAGES, st.lists(MESSAGES, max_size=2))
LINE = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), VALUE, max_size=6).map(json.dumps).map(str.encode),
    JSON.map(json.dumps).map(str.encode),
    st.binary(max_size=20),
)


def complaints(source: Path, out: Path, format: str, task: Any) -> Iterator[str]:
    tally = Tally()
    try:
        convert(source, out, format=format, wanted=Wanted(task), force=True, skip_errors=True, tally=tally)
    except InputError as error:
        yield str(error)
    else:
        assert all(isinstance(row, Row) for _, row in read_rows(out))
    assert len(tally.lines) <= MOST
    assert bool(tally.lines) == bool(tally.errors)
    for line in tally.lines:  # file, line, field or kind, and what was expected
        assert re.match(
            rf"{re.escape(str(source))}(/qrels/train\.tsv|/corpus\.jsonl|/queries\.jsonl)?, (line|row) \d+: .*must|"
            r".*not valid JSON|.*field ['\"].*['\"]",
            line,
        ), line
        yield line


@ANY
@given(
    st.lists(LINE, max_size=5),
    st.sampled_from(sorted(set(FORMATS) - {"beir"})),
    st.sampled_from([None, "ir", "sts", "cls"]),
    st.sampled_from([".jsonl", ".csv", ".tsv", ".parquet"]),
)
def test_whatever_a_file_holds_every_complaint_is_one_line(
    tmp_path: Path, lines: list[bytes], format: str, task: str | None, suffix: str
) -> None:
    source = tmp_path / f"a{suffix}"
    source.write_bytes(b"\n".join(lines))
    for line in complaints(source, tmp_path / "out.jsonl", format, task):
        assert str(source) in line
        assert not re.search(r"[\x00-\x1f\x7f]", line), repr(line)


@ANY
@given(st.lists(LINE, max_size=3), st.lists(LINE, max_size=3), st.lists(st.binary(max_size=12), max_size=4))
def test_whatever_a_folder_holds_every_complaint_is_one_line(
    tmp_path: Path, corpus: list[bytes], queries: list[bytes], judged: list[bytes]
) -> None:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    known = [b'{"_id": "1", "text": "a"}', b'{"_id": "2", "text": ["a"]}']
    (folder / "corpus.jsonl").write_bytes(b"\n".join([*known, *corpus]))
    (folder / "queries.jsonl").write_bytes(b"\n".join([*known, *queries]))
    judgements = [b"1\t1\t1", b"2\t2\t1", b"1\t3\t0.5", *judged]
    (folder / "qrels" / "train.tsv").write_bytes(b"\n".join(judgements))
    for line in complaints(folder, tmp_path / "out.jsonl", "beir", None):
        assert str(folder) in line
        assert not re.search(r"[\x00-\x1f\x7f]", line), repr(line)
