"""``youtu-st data``: what is written, what is said of what is not, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoints import reranker_checkpoint
from command import Result

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, *records: Any) -> None:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


GOOD = {"anchor": "q", "positive": "p"}
ROW = {"task_type": "ir", "query": "q", "positives": ["p"]}


class TestConvert:
    def test_what_is_written(self, run: Run) -> None:
        write("a.jsonl", GOOD, {**GOOD, "negative": "n"})
        result = run("data", "convert", "a.jsonl", "--out", "b.jsonl", "--instruction", "Find")
        said = "2 rows (ir 2) from a.jsonl, sentence-transformers -> b.jsonl\n"
        assert (result.code, result.out, result.err) == (0, said, "")
        rows = [json.loads(line) for line in Path("b.jsonl").read_text().splitlines()]
        assert [row["negatives"] for row in rows] == [[], [["", "", "n"]]]
        assert rows[0]["query"] == ["Find", "", "q"]

    def test_one_malformed_row(self, run: Run) -> None:
        write("a.jsonl", GOOD, {"anchor": "\x1b[31m", "positive": 3})
        result = run("data", "convert", "a.jsonl", "--out", "b.jsonl")
        assert (result.code, result.out) == (2, "")
        assert result.err == (
            "youtu-st: error: a.jsonl, line 2: field 'positive' must be a text, not 3; "
            "nothing was written: mend this, or go on without it: --skip-errors\n"
        )
        assert not Path("b.jsonl").exists()

    def test_many_malformed_rows(self, run: Run) -> None:
        write("a.jsonl", GOOD, *[{"anchor": "q", "positive": i} for i in range(30)], "{")
        result = run("data", "convert", "a.jsonl", "--out", "b.jsonl")
        problems = [line for line in result.err.splitlines() if "problem: a.jsonl" in line]
        assert (result.code, len(problems)) == (2, 6)
        assert "youtu-st: problem: 30 in all: field 'positive' must be a text\n" in result.err
        assert "; 30 more are malformed; nothing was written" in result.err
        skipped = run("data", "convert", "a.jsonl", "--out", "b.jsonl", "--skip-errors")
        assert (skipped.code, skipped.out.startswith("1 row (ir 1)")) == (0, True)
        assert "youtu-st: left out: 30 in all: field 'positive' must be a text\n" in skipped.err
        assert "youtu-st: left out: a.jsonl, line 32: must be a JSON object" in skipped.err

    def test_what_gives_no_row_is_counted(self, run: Run) -> None:
        records = [{"premise": "P", "hypothesis": f"{i}", "label": "neutral"} for i in range(9)]
        write("a.jsonl", *records, {"premise": "P", "hypothesis": "e", "label": "entailment"})
        result = run("data", "convert", "a.jsonl", "--out", "b.jsonl")
        assert (result.code, result.out) == (0, "1 row (ir 1) from a.jsonl, nli -> b.jsonl\n")
        assert result.err.splitlines() == [
            *(f"youtu-st: note: a.jsonl, line {i}: left out: neutral" for i in range(1, 6)),
            "youtu-st: left out: 9 in all: neutral",
        ]

    def test_mistakes(self, run: Run) -> None:
        write("a.jsonl", GOOD)
        write("odd.jsonl", {"a": 1})
        for arguments, told in (
            (
                ["a.jsonl", "--out", "b.jsonl", "--task", "irr"],
                "--task must be one of ir, sts, cls, not 'irr'",
            ),
            (["a.jsonl", "--out", "b.jsonl", "--seed", "-1"], "--seed must be an int of at least 0, not -1"),
            (["a.jsonl", "--out", "b.jsonl", "--from", "nil"], "not 'nil': did you mean 'nli'?"),
            (["a.jsonl", "--out", "a.jsonl"], "a.jsonl is there already: --force writes over it"),
            (["a.jsonl", "--out", "no/b.jsonl"], "there is no directory"),
            (["none.jsonl", "--out", "b.jsonl"], "none.jsonl: no such file or directory"),
            (["odd.jsonl", "--out", "b.jsonl"], "its format is plainly none, by its columns a: name it with"),
        ):
            result = run("data", "convert", *arguments)
            assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
            assert told in result.err
        assert run("data", "convert", "a.jsonl", "--out", "a.jsonl", "--force").code == 0


class TestCheck:
    def test_all_is_well(self, run: Run) -> None:
        write("a.jsonl", *[{**ROW, "query": f"q{i}"} for i in range(64)])
        result = run("data", "check", "a.jsonl")
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith("a.jsonl: ir 64 rows\n")
        assert result.out.endswith("\n64 rows in 1 file: 0 errors, 0 warnings\n")

    def test_what_cannot_be_trained_on(self, run: Run) -> None:
        write("a.jsonl", ROW, ROW, *["{"] * 5, {**ROW, "\x1b[31m": 1})
        result = run("data", "check", "a.jsonl")
        assert result.code == 1
        lines = result.out.splitlines()
        at = lines.index("error: malformed row, 6 in all")
        assert lines[at + 1].startswith("  a.jsonl, line 3: not valid JSON")
        assert lines[at + 4 : at + 7] == [
            "  and 3 more",
            "error: fewer rows than a batch, 1 in all",
            "  a.jsonl: 2 rows of the task 'ir', and a batch has 64",
        ]
        assert lines[-1] == "2 rows in 1 file: 7 errors, 2 warnings"
        assert "\x1b" not in result.out

    def test_warnings_are_no_failure(self, run: Run) -> None:
        write("a.jsonl", ROW, ROW)
        assert run("data", "check", "a.jsonl", "--batch-size", "2").code == 0

    def test_as_json_with_a_models_tokens(self, run: Run) -> None:
        write("a.jsonl", ROW, {**ROW, "query": "word " * 20})
        arguments = ["--model", "minilm", "--max-length", "10", "--batch-size", "2", "--json"]
        result = run("data", "check", "a.jsonl", *arguments)
        assert (result.code, result.err) == (0, "")
        found = json.loads(result.out)
        (file,) = found["files"]
        assert (found["errors"], file["rows"]) == (0, {"ir": 2})
        assert file["queries"] == {
            "unit": "tokens",
            "count": 2,
            "median": 3,
            "p90": 22,
            "p99": 22,
            "longest": 22,
            "limit": 10,
            "cut": 0.5,
        }

    def test_mistakes(self, run: Run) -> None:
        write("a.jsonl", ROW)
        for arguments, told in (
            (["a.jsonl", "--max-length", "8"], "--max-length goes with --model"),
            (["a.jsonl", "--checkpoint", "x"], "--checkpoint goes with --model"),
            (["a.jsonl", "--batch-size", "0"], "--batch-size must be an int of at least 1, not 0"),
            (["a.jsonl", "--model", "minilm", "--max-length", "999"], "must be at most 256"),
            (["a.jsonl", "--model", "minilmm"], "Did you mean 'minilm'?"),
            (["a.jsonl", "a.jsonl"], "a file is named twice"),
            (["none.jsonl"], "none.jsonl: no such file or directory"),
        ):
            result = run("data", "check", *arguments)
            assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result.err
            assert told in result.err


class TestMine:
    def test_what_is_found(self, run: Run) -> None:
        facts = ["Paris is in France.", "Berlin is in Germany.", "Bread is baked.", "Rome is in Italy."]
        records = [
            {**ROW, "query": ["Find", "", f"Where is {f.split()[0]}?"], "positives": [f]} for f in facts
        ]
        write("a.jsonl", *records, {**ROW, "task_type": "cls"})
        arguments = ["--model", "minilm", "--out", "b.jsonl", "--negatives", "1", "--range-min", "1"]
        result = run("data", "mine", "a.jsonl", *arguments)
        assert (result.code, result.err) == (
            0,
            "youtu-st: note: minilm takes no instructions: its own prompt stood before queries\n",
        )
        lines = result.out.splitlines()
        assert (
            lines[-1] == "4 negatives for 4 rows among 4 documents, and 1 other row as they were -> b.jsonl"
        )
        assert "rejected 4: among the nearest, which range_min leaves out" in lines
        rows = [json.loads(line) for line in Path("b.jsonl").read_text().splitlines()]
        assert [len(row["negatives"]) for row in rows] == [1, 1, 1, 1, 0]
        again = run("data", "mine", "a.jsonl", *arguments)
        assert (again.code, "b.jsonl is there already: --force" in again.err) == (2, True)
        found = json.loads(run("data", "mine", "a.jsonl", *arguments, "--force", "--json").out)
        assert (found["negatives"], found["range_min"], found["documents"]) == (4, 1, 4)
        assert sum(each["positives"] for each in found["histogram"]) == 4

    def test_mistakes(self, run: Run) -> None:
        write("a.jsonl", ROW)
        write("bad.jsonl", "{")
        for arguments, told in (
            (["a.jsonl", "--model", "minilmm", "--out", "b.jsonl"], "unknown model 'minilmm'"),
            (["bad.jsonl", "--model", "minilm", "--out", "b.jsonl"], "bad.jsonl, line 1: not valid JSON"),
            (
                ["a.jsonl", "--model", "minilm", "--out", "b.jsonl", "--range-max", "9"],
                "range_min must be less",
            ),
        ):
            result = run("data", "mine", *arguments)
            assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
            assert told in result.err


class TestScore:
    def test_a_teachers_scores(self, run: Run, tmp_path: Path) -> None:
        teacher = reranker_checkpoint(tmp_path / "teacher")
        write("a.jsonl", {**ROW, "negatives": ["n"]}, {**ROW, "positive_scores": [1]})
        arguments = ["--reranker", "qwen3-reranker-0.6b", "--checkpoint", teacher, "--out", "b.jsonl"]
        result = run("data", "score", "a.jsonl", *arguments)
        assert (result.code, result.err) == (0, "youtu-st: note: replaced the scores of 1 row\n")
        first, second, last = result.out.splitlines()
        assert first.startswith("positives 2: scores from 0.")
        assert second.startswith("negatives 1: scores from 0.")
        assert last == "2 rows (ir 2) -> b.jsonl"
        row = json.loads(Path("b.jsonl").read_text().splitlines()[0])
        assert 0 < row["positive_scores"][0] < 1
        assert len(row["negative_scores"]) == 1
        found = json.loads(run("data", "score", "a.jsonl", *arguments, "--force", "--json").out)
        assert found["positives"]["count"] == 2
        assert found["negatives"]["lowest"] == row["negative_scores"][0]

    def test_mistakes(self, run: Run) -> None:
        write("a.jsonl", ROW)
        for arguments, told in (
            (["a.jsonl", "--reranker", "nobody", "--out", "b.jsonl"], "unknown reranker 'nobody'"),
            (["none.jsonl", "--reranker", "qwen3-reranker-0.6b", "--out", "b.jsonl"], "no such file"),
        ):
            result = run("data", "score", *arguments)
            assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
            assert told in result.err
