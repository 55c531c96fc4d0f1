"""Rows as Arrow files: what was read, written once for each content."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from rows import classes, pairs, questions, write

from youtu_st.errors import InputError
from youtu_st.training.data import store
from youtu_st.training.data.rows import LONGEST, Row, RowError, Text, read_rows
from youtu_st.training.data.store import key, prepare, scale_of


def test_a_file_of_all_tasks_is_a_data_set_for_each(tmp_path: Path) -> None:
    rows = [*pairs(3), *questions(4, positives=2, negatives=3), *classes(5)]
    path = write(tmp_path / "all.jsonl", rows)
    found = prepare(path)
    assert [(one.name, one.task, one.rows) for one in found] == [
        ("all:ir", "ir", 4),
        ("all:sts", "sts", 3),
        ("all:cls", "cls", 5),
    ]
    ir, sts, cls = (list(one.dataset()) for one in found)
    assert [row["row"] for row in (*sts, *ir, *cls)] == list(range(1, 13))
    for row, given in zip(ir, rows[3:7], strict=True):
        assert row["query"] == given.query.content
        assert row["positives"] == [text.content for text in given.positives]
        assert row["negatives"] == [text.content for text in given.negatives]
    assert (found[0].most_positives, found[0].most_negatives) == (2, 3)
    assert (found[1].lowest, found[1].highest) == (0.0, 2.0)


def test_pairs_of_one_row_are_rows_of_their_own(tmp_path: Path) -> None:
    row = Row("sts", Text("a", "Compare"), (Text("b"), Text("c", "Other")), (Text("d"),), (0.5, 1.0), (0.0,))
    (found,) = prepare(write(tmp_path / "pairs.jsonl", [row]))
    got = [
        (one["first"], one["second"], one["score"], one["second_instruction"], one["row"])
        for one in found.dataset()
    ]
    assert got == [("a", "b", 0.5, "Compare", 1), ("a", "c", 1.0, "Other", 1), ("a", "d", 0.0, "Compare", 1)]


def test_keys_are_of_texts(tmp_path: Path) -> None:
    (found,) = prepare(write(tmp_path / "k.jsonl", [Row("ir", Text("q", preface="p "), (Text("a"),))]))
    (row,) = found.dataset()
    assert set(row["known"]) == {key("q"), key("p q"), key("a")}
    assert key("a") != key("b")


def test_the_same_content_is_written_once_and_damage_is_made_good(tmp_path: Path) -> None:
    path = write(tmp_path / "once.jsonl", questions(3, start=4000))
    (first,) = prepare(path)
    arrow = Path(first.path)
    before = arrow.stat().st_mtime_ns
    (again,) = prepare(path, "another-name")
    assert (again.path, again.name, arrow.stat().st_mtime_ns) == (first.path, "another-name", before)
    arrow.unlink()
    (made,) = prepare(path)
    assert list(made.dataset()) == list(first.dataset())
    (facts,) = arrow.parent.glob(f"{first.digest}.*.json")
    facts.write_text(json.dumps({"tasks": []}))
    assert prepare(path)[0].rows == 3


def test_what_is_wrong_is_told_with_file_and_line_and_nothing_is_left(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.jsonl", questions(2, start=8000))
    path.write_text(path.read_text() + '{"task_type": "ir", "query": "q", "positives": []}\n')
    with pytest.raises(RowError, match=r"bad.jsonl, line 3: field 'positives' must hold at least one text"):
        prepare(path)
    digest = store._digest(path)
    folder = store.cache_directory() / "training"
    assert [one.name for one in folder.glob(f"*{digest}*") if one.suffix != ".lock"] == []
    with pytest.raises(InputError, match="holds no rows"):
        prepare(write(tmp_path / "empty.jsonl", []))
    with pytest.raises(InputError, match="no such file"):
        prepare(tmp_path / "none.jsonl")


def test_scales(tmp_path: Path) -> None:
    def found(top: float, name: str) -> store.TrainingSet:
        return prepare(write(tmp_path / f"{name}.jsonl", pairs(6, top=top)))[0]

    assert scale_of(found(1.0, "one"), None) == (0, 1)
    assert scale_of(found(5.0, "five"), None) == (0, 5)
    assert scale_of(found(100.0, "hundred"), (0, 100)) == (0, 100)
    with pytest.raises(InputError, match="which scale that is is not known"):
        scale_of(found(100.0, "hundred"), None)
    with pytest.raises(InputError, match="beyond the scale from 0 to 4"):
        scale_of(found(5.0, "five"), (0, 4))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_texts(tmp_path: Path) -> None:
    """100,000 rows of 2 KB each: 200 MB of text, of which a process holds a few."""
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        for i in range(100_000):
            row = Row("ir", Text(f"question {i}"), (Text(f"answer {i} " + "word " * 400),))
            file.write(json.dumps(row.as_json()) + "\n")
    program = (
        "import resource, sys\\n"
        "from youtu_st.training.data.store import prepare\\n"
        "import datasets\\n"
        "rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\\n"
        "before = rss()\\n"
        "(found,) = prepare(sys.argv[1])\\n"
        "assert found.rows == 100_000\\n"
        "assert found.dataset()[99_999]['query'] == 'question 99999'\\n"
        "print(rss() - before)"
    ).replace("\\n", "\n")
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 100


def test_a_line_is_read_no_further_than_a_row_may_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "rows.jsonl", rows := questions(3))
    first, second, third = path.read_bytes().splitlines(keepends=True)
    monkeypatch.setattr("youtu_st.training.data.rows.LONGEST", 1000)
    for long in (b"x" * 1001 + b"\n", b"x" * 5000 + b"\n", b" " * 2000 + b"\n"):
        path.write_bytes(first + long + second + third + long[:-1])
        found = dict(read_rows(path))
        assert [found[1], found[3], found[4]] == rows
        for line in (2, 5):
            assert str(found[line]) == f"{path}, line {line}: more than 0 MiB in a line: that is no row"
    path.write_bytes(first + b"x" * 999 + b"\n" + second)
    assert "not valid JSON" in str(dict(read_rows(path))[2])


@pytest.mark.slow
def test_memory_does_not_grow_with_a_line(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.truncate(8 * LONGEST)  # of NULs, and none of them on disk
    tracemalloc.start()
    with pytest.raises(RowError, match="long.jsonl, line 1: more than 64 MiB in a line: that is no row"):
        prepare(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * LONGEST
