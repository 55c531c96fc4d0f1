"""The reranking benchmark, once, as small as it goes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "rerank.py"


@pytest.mark.slow
def test_it_runs_and_both_sides_agree(tmp_path):
    out = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARK), "--quick", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tasks = json.loads(out.read_text("utf-8"))["tasks"]
    assert list(tasks) == ["1 query, 20 documents", "10 queries, 2 documents each"]
    for rows in tasks.values():
        assert next(iter(rows)) == "CrossEncoder"
        assert rows["CrossEncoder"]["ratio"] == 1.0
        for row in rows.values():
            assert row["difference"] < 1e-5
            assert len(row["seconds"]) == 5
    assert "Reranker, nothing shared" in done.stdout
