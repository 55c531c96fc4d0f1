"""``youtu-st export`` of a reranker, and commands that rerank with what was exported."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoints import TEXTS, cross_encoder_checkpoint, reranker_checkpoint
from command import Result

from youtu_st.rerank import Reranker

if importlib.util.find_spec("onnxruntime") is None:  # importing it here would start its telemetry
    pytest.skip("the extra onnx is not installed", allow_module_level=True)

Run = Callable[..., Result]
NAME = "qwen3-reranker-0.6b"
QUERY = "What is the weather like?"
HOSTS = """
import sys
from youtu_st.cli import main
code = main(sys.argv[1:])
print(sorted(sys.modules.keys() & {"torch", "transformers", "sentence_transformers"}), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "t.txt").write_text("".join(f"{' '.join(text.split())}\n" for text in TEXTS))
    return tmp_path / "t.txt"


def hosts_of(*arguments: object, cwd: Path) -> tuple[list[float], str]:
    """The scores that a command shows, and what it says, of the hosts at the end."""
    command = [sys.executable, "-c", HOSTS, *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return [hit["score"] for hit in json.loads(done.stdout)], done.stderr


@pytest.mark.slow
def test_it_says_what_it_has_written_and_ranks_with_it(run: Run, file: Path, tmp_path: Path) -> None:
    raw, out = reranker_checkpoint(tmp_path / "raw"), tmp_path / "out"
    result = run("export", NAME, "--checkpoint", raw, "--out", out)
    assert (result.code, result.err) == (0, "")
    torch = Reranker(NAME, checkpoint=raw)
    expected = (
        rf"{NAME} -> (.+): onnx, a reranker of 8192 tokens, fingerprint {torch.fingerprint}, "
        r"largest difference \de-0\d\n"
    )
    told = re.fullmatch(expected, result.out)
    assert told, result.out
    assert told[1] == str(out)
    texts = [" ".join(text.split()) for text in TEXTS]
    wanted = [one.score for one in torch.rank(QUERY, texts)]
    found, said = hosts_of("rerank", file, "--query", QUERY, "--model", out, cwd=tmp_path)
    assert found == pytest.approx(wanted, abs=2e-5)
    assert said.endswith("[]\n")


def test_mistakes(run: Run, tmp_path: Path, tiny: Path) -> None:
    raw = cross_encoder_checkpoint(tmp_path / "raw")
    for arguments, message in (
        ([raw, "--dimensions", "8"], "--dimensions and --plain are for embedding models"),
        ([raw, "--plain"], "--dimensions and --plain are for embedding models"),
        (["qwen3-reranker"], "unknown reranker 'qwen3-reranker'. Did you mean"),
        (["minilmm"], "unknown model 'minilmm'. Did you mean 'minilm'"),
        ([cross_encoder_checkpoint(tmp_path / "three", labels=3)], "gives 3 scores a pair"),
    ):
        result = run("export", *arguments, "--out", tmp_path / "out")
        assert (result.code, message in result.err, result.err.count("\n")) == (2, True, 1), result.err
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_commands_take_what_is_kept_unless_that_is_turned_off(
    run: Run, tiny: Path, file: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = cross_encoder_checkpoint(tmp_path / "raw")
    monkeypatch.chdir(tmp_path)
    assert run("index", "build", "t.txt", "--model", tiny, "--out", "idx").code == 0  # which keeps tiny's own
    ranking = ("rerank", file, "--query", QUERY, "--model", raw)
    searching = ("index", "search", "idx", QUERY, "--rerank", raw)
    wanted = [hosts_of(*command, cwd=tmp_path) for command in (ranking, searching)]
    assert "torch" in wanted[0][1]  # nothing of it is kept
    Reranker(raw, backend="onnx")
    found = [hosts_of("--debug", *command, cwd=tmp_path) for command in (ranking, searching)]
    for (before, _), (after, said) in zip(wanted, found, strict=True):
        assert after == pytest.approx(before, abs=2e-5)
        assert "runs in ONNX Runtime, as it was exported; YOUTU_ST_ENGINE=torch turns that off" in said
        assert said.endswith("[]\n")
    monkeypatch.setenv("YOUTU_ST_ENGINE", "torch")
    _, said = hosts_of("--debug", *ranking, cwd=tmp_path)
    assert "ONNX Runtime" not in said
    assert "torch" in said
