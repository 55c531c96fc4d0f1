"""Public data sets as they are published, beside a straightforward reading of them; and memory that stays."""

from __future__ import annotations

import csv
import json
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from youtu_st.training.data.checking import check
from youtu_st.training.data.conversion import convert
from youtu_st.training.data.rows import Row, Text, read_rows
from youtu_st.training.data.wanted import Wanted

pytestmark = pytest.mark.slow


def converted(source: Path, tmp_path: Path, format: str, instruction: str) -> list[Row]:
    out = tmp_path / "out.jsonl"
    made = convert(source, out, wanted=Wanted(instruction=instruction))
    assert (made.format, made.errors, made.left_out, made.notes) == (format, {}, {}, ())
    rows = [row for _, row in read_rows(out) if isinstance(row, Row)]
    assert sum(made.rows.values()) == len(rows)
    return rows


def test_sts_benchmark(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "stsbenchmark" / "sts-train.csv"
    rows = converted(source, tmp_path, "stsbenchmark", "Alike?")
    want = []
    for line in source.read_text(encoding="utf-8").split("\n")[:-1]:
        cells = line.split("\t")
        pair = Text(cells[5], "Alike?"), (Text(cells[6], "Alike?"),)
        want.append(Row("sts", *pair, positive_scores=(float(cells[4]),)))
    assert len(rows) == 5749
    assert rows == want
    assert (rows[1].query.text, rows[1].positive_scores) == ("A man is playing a large flute.", (3.8,))


def test_what_a_look_at_sts_benchmark_finds(shared_data: Path, tmp_path: Path) -> None:
    rows = converted(shared_data / "stsbenchmark" / "sts-train.csv", tmp_path, "stsbenchmark", "")
    (file,) = check([tmp_path / "out.jsonl"]).files
    told = [(row.query.text, row.positives[0].text, row.positive_scores) for row in rows]
    again = len(told) - len(set(told))
    first: dict[frozenset[str], object] = {}
    other = [first.setdefault(frozenset((a, b)), score) != score for a, b, score in told]
    found = {finding.kind: finding.count for finding in file.findings}
    assert found == {"same row again": again, "same pair with another score": sum(other)}
    assert again == 39
    lengths = sorted(len(b) for _, b, _ in told)
    assert file.documents is not None
    assert (file.documents.median, file.documents.longest) == (lengths[(len(lengths) - 1) // 2], lengths[-1])
    assert (file.scores["sts"].lowest, file.scores["sts"].highest) == (0, 5)


def test_scifact(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "scifact"
    rows = converted(folder, tmp_path, "beir", "Find evidence")

    def read(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]

    documents = {each["_id"]: f"{each['title']} {each['text']}" for each in read("corpus.jsonl")}
    queries = {each["_id"]: each["text"] for each in read("queries.jsonl")}
    judged: dict[str, list[str]] = {}
    with (folder / "qrels" / "train.tsv").open(encoding="utf-8", newline="") as file:
        for each in csv.DictReader(file, delimiter="\t"):
            assert each["score"] == "1"
            judged.setdefault(each["query-id"], []).append(each["corpus-id"])
    assert (len(rows), sum(len(row.positives) for row in rows)) == (809, 919)
    assert rows == [
        Row("ir", Text(queries[query], "Find evidence"), tuple(Text(documents[key]) for key in keys))
        for query, keys in judged.items()
    ]
    start = "New opportunities: the use of nanotechnologies to manipulate and track stem cells. Nanotechnologies are"
    assert rows[0].positives[0].text.startswith(start)


def test_banking77(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "banking77" / "train.csv"
    rows = converted(source, tmp_path, "classes", "Classify")
    with source.open(encoding="utf-8", newline="") as file:
        lines = [(each["text"], each["category"]) for each in csv.DictReader(file)]
    assert [(row.query.text, row.label) for row in rows] == lines
    assert (len(rows), len({row.label for row in rows})) == (10003, 77)
    pairs = set(lines)
    for row in rows:
        assert (len(row.positives), len(row.negatives)) == (4, 8)
        assert all((text.text, row.label) in pairs for text in row.positives)
        assert row.negative_labels is not None
        for text, label in zip(row.negatives, row.negative_labels, strict=True):
            assert (text.text, label) in pairs
            assert label != row.label
        assert len({row.query.text, *(text.text for text in (*row.positives, *row.negatives))}) == 13
    sizes = Counter(label for _, label in lines)
    chosen = Counter(label for row in rows for label in row.negative_labels or ())
    # A class is chosen in proportion to its texts: every one of the others', in turn, is as likely.
    for label, size in sizes.items():
        mean = 8 * sum(n * size / (len(lines) - n) for other, n in sizes.items() if other != label)
        assert abs(chosen[label] - mean) < 5 * mean**0.5


def peak(do: object) -> float:
    """MB that Python holds at most while something is done."""
    tracemalloc.start()
    try:
        do()  # type: ignore[operator]
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def made_of(path: Path, rows: int, length: int) -> Path:
    """Rows of texts of a length, no two of them the same."""
    with path.open("w") as file:
        for i in range(rows):
            text = f"{i:09d} " + "x" * length
            positive, negative = "p" + text, "n" + text
            file.write(json.dumps({"query": text, "pos": [positive], "neg": [negative]}) + "\n")
    return path


def test_memory_does_not_grow_with_the_texts(tmp_path: Path) -> None:
    found = {}
    for rows, length in ((20_000, 10), (20_000, 2000), (40_000, 10)):
        source, out = made_of(tmp_path / "a.jsonl", rows, length), tmp_path / "out.jsonl"
        how = {"format": "flagembedding", "force": True}
        converting = peak(lambda source=source, out=out, how=how: convert(source, out, **how))
        checking = peak(lambda out=out: check([out]))
        found[rows, length] = converting, checking
    for few, many in zip(found[20_000, 10], found[40_000, 10], strict=True):
        assert many - few < 20_000 * 150 / 1e6  # bytes a row
    for short, long in zip(found[20_000, 10], found[20_000, 2000], strict=True):
        assert long - short < 8  # of 120 MB: what is read at once, 512 texts among it
    assert found[40_000, 10][0] < 2


def test_100_000_rows_with_duplicates(tmp_path: Path) -> None:
    path, size = tmp_path / "a.jsonl", 100_000
    with path.open("w") as file:
        for i in range(size):
            number = i % (size - 1000)  # the last thousand are there already
            file.write(json.dumps({"task_type": "ir", "query": f"q {number}", "positives": ["p"]}) + "\n")
    reports = []
    assert peak(lambda: reports.append(check([path]))) < 40
    (file_report,) = reports[0].files
    assert file_report.rows == {"ir": size}
    assert {finding.kind: finding.count for finding in file_report.findings} == {
        "same row again": 1000,
        "same query again": 1000,
    }
    assert file_report.findings[0].examples[0] == f"{path}, line {size - 999}: as {path}, line 1"
