"""``--checkpoint``: weights for a name, where texts are encoded and where an index is built and searched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Result

from youtu_st import Encoder

Run = Callable[..., Result]


def test_every_command_that_encodes_takes_a_checkpoint(
    run: Run,
    tmp_path: Path,
    checkpoint: Callable[[str, str], Path],
    spec_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = checkpoint("qwen2", "bpe-bos-eos")
    spec = spec_file(max_length=40, prompts={"query": "q: ", "document": ""})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text("a river\nthe sea\n")
    named = ["--model", spec, "--checkpoint", weights]

    result = run("encode", "t.txt", "--role", "query", "--out", "t.npy", *named)
    assert (result.code, result.err) == (0, "")
    expected = Encoder(spec, checkpoint=weights).encode_query(["a river", "the sea"])
    np.testing.assert_allclose(np.load("t.npy"), expected, atol=1e-6)

    assert run("index", "build", "t.txt", "--out", "idx", *named).code == 0
    assert run("index", "build", "t.txt", "--out", "idx", "--checkpoint", weights).out.startswith(
        "added 0, unch"
    )
    hits = json.loads(run("index", "search", "idx", "sea", "--checkpoint", weights, "--json").out)
    assert [hit["text"] for hit in hits] == ["a river\nthe sea\n".strip()]

    advice = "If idx was built with --checkpoint, it is opened with the same"
    for command in (["index", "search", "idx", "sea"], ["index", "build", "t.txt", "--out", "idx"]):
        result = run(*command)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("youtu-st: error: ")
        assert result.err.endswith(f"{advice}\n"), result.err
        assert result.err.count("\n") == 1


def test_a_link_leads_to_the_file_that_is_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text("a river\n")
    (tmp_path / "real").mkdir()
    (tmp_path / "link.npy").symlink_to("real/out.npy")
    assert run("encode", "t.txt", "--role", "document", "--out", "link.npy").code == 0
    assert (tmp_path / "link.npy").is_symlink()
    assert np.load(tmp_path / "real" / "out.npy").shape == (1, 384)
    for kept in ("idx", "null"):
        (tmp_path / kept).symlink_to({"idx": "nowhere", "null": "/dev/null"}[kept])
    result = run("index", "build", "t.txt", "--out", "null")
    assert (result.code, result.err.count("\n")) == (2, 1), result.err
    assert Path("/dev/null").is_char_device()
    run("index", "build", "t.txt", "--out", "idx")
    assert (tmp_path / "idx").is_symlink()
