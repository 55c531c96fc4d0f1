"""``youtu-st index copy``: what it says, and its exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import lancedb
import pytest
from command import Result, spawn
from test_cli_help import modules_after

Run = Callable[..., Result]


@pytest.mark.slow
def test_an_index_goes_into_a_database_and_back(here: Path, tmp_path: Path, run: Run) -> None:
    there = f"lancedb:{tmp_path / 'db'}#passages"
    result = run("index", "copy", "idx", there)
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[:2] == [f"copied 4 rows -> {there}", "rows      4 = 4"]
    assert lines[2] == "compared  2: all as they were, vectors differ by at most 0"
    assert lines[3] == "searches  1: overlap of the exact top ten 1.0000"
    assert len(lines) == 4
    rows = lancedb.connect(tmp_path / "db").open_table("passages").to_arrow().to_pylist()
    assert sum(row["text"].startswith(("巴黎是法国的首都。", "The Rhine flows north.")) for row in rows) == 2

    again = run("index", "copy", "idx", there)
    assert (again.code, again.out) == (2, "")
    assert again.err.startswith(f"youtu-st: error: {there} is there already: name another, or go on")
    resumed = run("index", "copy", "idx", there, "--resume")
    assert (resumed.code, resumed.out.splitlines()[0]) == (0, f"copied 0 rows, 4 were there -> {there}")

    back = run("index", "copy", there, tmp_path / "back", "--json")
    assert back.code == 0
    assert json.loads(back.out) == {
        "ok": True,
        "source": 4,
        "destination": 4,
        "compared": 2,
        "different": 0,
        "difference": 0.0,
        "queries": 1,
        "overlap": 1.0,
        "written": 4,
    }
    question = ("Which river flows north?", "-k", "2", "--json")
    hits = [json.loads(run("index", "search", place, *question).out) for place in (tmp_path / "back", "idx")]
    assert hits[0] == hits[1]
    facts = [json.loads(run("index", "info", place, "--json").out) for place in (tmp_path / "back", "idx")]
    for name in ("passages", "model", "fingerprint", "dimension", "runtime", "settings"):
        assert facts[0][name] == facts[1][name]


def test_what_has_not_arrived_is_exit_code_1(here: Path, tmp_path: Path, run: Run) -> None:
    there = f"lancedb:{tmp_path / 'db'}#passages"
    assert run("index", "copy", "idx", there).code == 0
    lancedb.connect(tmp_path / "db").open_table("passages").update(values={"text": "\x1b[2Jx"})
    result = run("index", "copy", "idx", there, "--resume")
    assert result.code == 1
    assert result.out.splitlines()[2].startswith("compared  2: 2 are not what they were")
    assert result.out.splitlines()[-1] == "The copy is not what the source is."


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        (("nowhere", "new"), "there is no index in nowhere"),
        (("idx", "idx"), "idx is both ends: name another destination"),
        (("idx", "notes"), "notes must be a new or an empty directory"),
        (("idx", "lancedb:db"), "'lancedb:db' must name a place and, behind #, a table or collection"),
        (("idx", "chroma:db#a"), "'chroma:db#a' must be one of DIR, lancedb:PATH#table"),
        (("lancedb:db#\x1b[31m", "new"), r"not '\\x1b\[31m'"),
        (("milvus:m.db#c", "new"), "there is no collection milvus:m.db#c"),
        (("qdrant:http://key@host#c", "new"), "an address must have no key in it: .* QDRANT_API_KEY"),
    ],
)
def test_mistakes_are_one_line(here: Path, run: Run, ends: tuple[str, str], message: str) -> None:
    before = sorted(here.iterdir())
    result = run("index", "copy", *ends)
    assert (result.code, result.out) == (2, "")
    assert re.match(f"youtu-st: error: .*{message}", result.err), result.err
    assert result.err.count("\n") == 1
    assert sorted(here.iterdir()) == before


@pytest.mark.slow
def test_as_a_process_it_says_nothing_else(built: Path, tmp_path: Path) -> None:
    """Clients of databases log, warn and trace; none of it is shown."""
    for end in (f"milvus:{tmp_path / 'm.db'}#c", f"qdrant:{tmp_path / 'q'}#c", f"lancedb:{tmp_path / 'l'}#t"):
        result = spawn("index", "copy", "idx", end, cwd=built)
        assert (result.code, result.err) == (0, "")
        assert result.out.splitlines()[1] == "rows      4 = 4"


def test_its_help_loads_no_client(tmp_path: Path) -> None:
    clients = {"lancedb", "lance", "pymilvus", "qdrant_client", "pyarrow", "numpy", "torch"}
    assert not clients & modules_after("index", "copy", "--help", cwd=tmp_path)


def test_copying_loads_no_model(built: Path, tmp_path: Path) -> None:
    loaded = modules_after("index", "copy", "idx", str(tmp_path / "copy"), cwd=built)
    assert not {"torch", "transformers", "lancedb", "pymilvus", "qdrant_client"} & loaded
