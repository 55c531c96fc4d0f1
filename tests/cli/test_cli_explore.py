"""``youtu-st index explore``: the page it writes, what it says, and that no model is loaded for it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Result
from test_cli_index_stats import make

Run = Callable[..., Result]


def data_of(path: Path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)[1])


def test_the_page_and_what_is_said(run: Run, tmp_path: Path) -> None:
    make(tmp_path / "idx", np.random.default_rng(0).normal(size=(30, 16)))
    out = tmp_path / "page.html"
    done = run("index", "explore", tmp_path / "idx", "--out", out)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"30 passages -> {out} (0.0 MB)\n"
    assert data_of(out)["texts"] == [f"text {i}" for i in range(30)]
    assert data_of(out)["about"]["name"] == "idx"
    assert [path.name for path in tmp_path.iterdir() if path.name != "idx"] == ["page.html"]
    first = out.read_bytes()
    done = run("index", "explore", tmp_path / "idx", "--out", out)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"youtu-st: error: {out} is there already: --force replaces it\n"
    done = run("index", "explore", tmp_path / "idx", "--out", out, "--force")
    assert done.code == 0
    assert out.read_bytes() == first


def test_a_sample_is_said_to_be_one(run: Run, tmp_path: Path) -> None:
    make(tmp_path / "idx", np.random.default_rng(0).normal(size=(30, 16)))
    done = run("index", "explore", tmp_path / "idx", "--out", tmp_path / "p.html", "--max", 12)
    assert done.err == "youtu-st: note: the page shows 12 passages of 30, drawn by lot; --max shows more\n"
    about = data_of(tmp_path / "p.html")["about"]
    assert (about["shown"], about["total"]) == (12, 30)


def test_mistakes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "two", np.eye(2, 16))
    make(tmp_path / "none", np.empty((0, 16)), [])
    for arguments, message in (
        (["no", "--out", "p"], "there is no index in no. Make one with: youtu-st index build PATH --out no"),
        (["none", "--out", "p"], "none: there is no passage in it"),
        (["two", "--out", "p", "--max", "0"], "--max must be an int of at least 1, not 0"),
        (
            ["two", "--out", "p", "--max", "50001"],
            "--max must be at most 50,000, which a browser still moves about, not 50,001",
        ),
        (["two", "--out", "a/p"], f"a/p: there is no directory {tmp_path}/a"),
        (["two", "--out", "two"], "two is a directory: --out is the file to write"),
        (
            ["two", "--out", "p", "--color", "x\x1b"],
            "two: no passage has the field 'x\\x1b'; there are: none",
        ),
    ):
        done = run("index", "explore", *arguments)
        assert (done.code, done.out, done.err) == (2, "", f"youtu-st: error: {message}\n")
    assert not (tmp_path / "p").exists()


def test_no_model_is_loaded(tmp_path: Path) -> None:
    make(tmp_path / "idx", np.eye(12, 16))
    code = (
        "import sys; from youtu_st.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'transformers', 'sklearn', 'matplotlib', 'jinja2'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    arguments = ["index", "explore", str(tmp_path / "idx"), "--out", str(tmp_path / "p.html")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
