"""``youtu-st export``, and commands that open what was exported."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Result, spawn
from sentence_transformers import SentenceTransformer

from youtu_st import Encoder
from youtu_st.backends.machine import has_card

if importlib.util.find_spec("onnxruntime") is None:  # importing it here would start its telemetry
    pytest.skip("the extra onnx is not installed", allow_module_level=True)

Run = Callable[..., Result]
HOSTS = """
import sys
from youtu_st.cli import main
code = main(sys.argv[1:])
print(sorted(sys.modules.keys() & {"torch", "transformers", "sentence_transformers"}))
sys.exit(code)
"""


@pytest.mark.slow
def test_it_says_what_it_has_written(run: Run, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("export", tiny, "--out", out)
    assert (result.code, result.err) == (0, "")
    told = re.fullmatch(
        r"(.+) -> (.+): onnx, 32 dimensions, fingerprint ([0-9a-f]{16}), largest difference \de-0\d\n",
        result.out,
    )
    assert told, result.out
    assert (told[1], told[2], told[3]) == (str(tiny), str(out), Encoder(tiny).fingerprint)
    assert Encoder(out).fingerprint == told[3]
    result = run("encode", "-", "--model", out, "--out", tmp_path / "never.npy")
    assert result.code in (0, 2)


@pytest.mark.slow
def test_weights_of_eight_bits_say_what_they_cost(run: Run, tmp_path: Path) -> None:
    result = run("export", "minilm", "--out", tmp_path / "out", "--weights", "int8")
    told = re.search(r"onnx with int8 weights, lowest cosine (0\.\d{4}), ", result.out)
    assert told, result
    assert float(told[1]) >= 0.998


@pytest.mark.slow
def test_plain_modules(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("export", "minilm", "--plain", "--out", out)
    assert (result.code, result.out) == (0, f"minilm -> {out}: stock modules\n")
    stock = SentenceTransformer(str(out), device="cpu").encode_query(["How is the weather?"])
    np.testing.assert_allclose(stock, Encoder("minilm").encode_query(["How is the weather?"]), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "tensorrt"], "--engine must be one of onnx, openvino, not 'tensorrt'"),
        (["--weights", "int4"], "--weights must be one of int8, int8-dynamic, not 'int4'"),
        (["--plain", "--weights", "int8"], "--plain writes modules and no graph"),
        (["--dimensions", "7"], "dimensions must be"),
        (["--plain"], "cannot be told"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    run: Run, tiny: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = run("export", tiny, "--out", tmp_path / "out", *arguments)
    assert result.code in (1, 2)
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert result.out == ""
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = run("export", tiny, "--out", tmp_path)
    assert (result.code, "is not an empty directory: nothing is overwritten" in result.err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_an_index_is_built_with_torch_and_searched_without(
    run: Run, tiny: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    (tmp_path / "notes.txt").write_text("The Rhine flows north.\nTo renew a passport, fill in a form.\n")
    index = tmp_path / "idx"
    assert run("index", "build", tmp_path / "notes.txt", "--out", index, "--model", model).code == 0
    (kept,) = (path for path in (cache / "exports").iterdir() if path.is_dir())
    assert json.loads((kept / "export.json").read_text())["model"] == str(model)

    def ran(*arguments: object, **environment: str) -> tuple[str, Result]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        program = tmp_path / "program.py"
        program.write_text(HOSTS)
        command = [sys.executable, str(program), "--debug", *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
        *lines, imported = ended.stdout.splitlines()
        return imported, Result(ended.returncode, "\n".join(lines), ended.stderr)

    search = ("index", "search", index, "passport", "--json")
    imported, quick = ran(*search)
    assert (quick.code, imported) == (0, "[]"), quick
    assert "engine: " in quick.err
    assert "YOUTU_ST_ENGINE=torch turns that off" in quick.err

    # Documents too, but where there may be something that PyTorch is faster with.
    encode = ("encode", tmp_path / "notes.txt", "--role", "document", "--model", model, "--out")
    imported, encoded = ran(*encode, tmp_path / "quick.npy")
    assert (encoded.code, imported == "[]") == (0, not has_card()), encoded
    (tmp_path / "notes.txt").write_text("The Rhine flows north.\nThe Danube flows east.\n")
    imported, built = ran("index", "build", tmp_path / "notes.txt", "--out", index)
    assert (built.code, imported == "[]") == (0, not has_card()), built
    quick = ran(*search)[1]

    imported, slow = ran(*search, YOUTU_ST_ENGINE="torch")
    assert (slow.code, "torch" in imported, "engine: " in slow.err) == (0, True, False)
    scores = [[hit["score"] for hit in json.loads(result.out)] for result in (quick, slow)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def test_where_there_is_no_pytorch_a_line_says_what_runs_without(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["transformers"] = None
from youtu_st.cli import main
sys.exit(main(["encode", "texts.txt", "--role", "query", "--model", "minilm", "--out", "v.npy"]))
"""
    (tmp_path / "texts.txt").write_text("one\n")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1), ran.stderr
    assert "this needs transformers: pip install torch sentence-transformers; or name" in ran.stderr


def test_another_engine_is_refused(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("one\n")
    built = run("index", "build", tmp_path / "texts.txt", "--model", tiny, "--out", tmp_path / "idx")
    assert built.code == 0
    result = spawn("index", "search", "idx", "one", cwd=tmp_path, YOUTU_ST_ENGINE="cuda")
    assert (result.code, "YOUTU_ST_ENGINE must be onnx or torch, not 'cuda'" in result.err) == (2, True)
