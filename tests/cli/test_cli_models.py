"""``youtu-st models``: what goes by a name, for people and for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from command import Result, spawn_on_a_terminal

import youtu_st

Run = Callable[..., Result]


def test_models_as_tables(run: Run) -> None:
    lines = [line.split() for line in run("models").out.splitlines()]
    titles = "embedding model languages parameters download dimension max length licence hub id"
    assert lines[0] == titles.split()
    between = lines.index([])
    rows = {line[0]: " ".join(line[1:]) for line in lines[2:between]}
    assert list(rows) == youtu_st.spec.model.known_models()
    assert rows["minilm"] == "en 22.7M 91 MB 384 256 Apache-2.0 sentence-transformers/all-MiniLM-L6-v2"
    assert rows["multilingual-e5-small"] == "94 118M 471 MB 384 512 MIT intfloat/multilingual-e5-small"
    assert rows["qzhou-embedding"] == "zh en 7.1B 14 GB 3,584 8,192 Apache-2.0 Kingsoft-LLM/QZhou-Embedding"
    assert " ".join(lines[between + 1]) == "reranker languages parameters download max length licence hub id"
    assert [" ".join(line) for line in lines[between + 3 :]] == [
        "qwen3-reranker-0.6b 100+ 596M 1.2 GB 8,192 Apache-2.0 Qwen/Qwen3-Reranker-0.6B",
        "qwen3-reranker-4b 100+ 4B 8 GB 8,192 Apache-2.0 Qwen/Qwen3-Reranker-4B",
        "qwen3-reranker-8b 100+ 8.2B 16 GB 8,192 Apache-2.0 Qwen/Qwen3-Reranker-8B",
    ]


def test_models_on_a_narrow_terminal(tmp_path: Path) -> None:
    """No column is cut: what does not fit stands in tables below, each with the names."""
    for columns, tables in ((100, 4), (80, 5), (60, 7)):
        code, sent = spawn_on_a_terminal("models", cwd=tmp_path, whole=True, COLUMNS=str(columns))
        shown = re.sub(r"\x1b\[[0-9;]*m", "", sent).splitlines()
        assert code == 0
        assert max(map(len, map(str.rstrip, shown))) <= columns
        titles = [line for line in shown if line.startswith(("embedding model", "reranker "))]
        assert len(titles) == tables
        every = "\n".join(shown)
        for whole in (
            "multilingual-e5-large-instruct",
            "Snowflake/snowflake-arctic-embed-m-v2.0",
            "471 MB",
            "32,768",
        ):
            assert whole in every or columns == 60  # there the longest hub id is on two lines
        assert "…" not in every


def test_models_as_json(run: Run) -> None:
    listed = json.loads(run("models", "--json").out)
    models = {model["name"]: model for model in listed if model["kind"] == "embedding"}
    assert sorted(models) == youtu_st.spec.model.known_models()
    assert len(models) == 12
    e5 = models["multilingual-e5-small"]
    assert (e5["languages"], e5["million_parameters"], e5["download_mb"]) == (["94"], 118, 471)
    assert ("Han" in e5["scripts"], models["youtu-embedding"]["scripts"]) == (True, "all")
    assert models["youtu-embedding"]["dimension"] == 2048
    assert models["youtu-embedding"]["prompts"]["query"].endswith("\nQuery:")
    rerankers = [model["name"] for model in listed if model["kind"] == "reranker"]
    assert rerankers == ["qwen3-reranker-0.6b", "qwen3-reranker-4b", "qwen3-reranker-8b"]
