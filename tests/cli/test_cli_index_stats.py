"""``youtu-st index stats``: what is said of an index, and that no model is loaded for it."""

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

from youtu_st.index import VectorIndex, sample_documents

Run = Callable[..., Result]


class Sixteen:
    """An encoder for the manifest's probe texts; all else is added with its vectors."""

    model_name = "sixteen"
    dimension = 16
    fingerprint = "0" * 16
    identity = {"weights": "none"}
    runtime = {"dtype": "float32"}

    def encode_query(self, texts, *, instruction=None, show_progress=False):
        return np.eye(16, dtype=np.float32)[: len(texts)]

    encode_document = encode_query


def make(path: Path, vectors: np.ndarray, texts: list[str] | None = None, factory: str = "Flat") -> Path:
    texts = texts or [f"text {i}" for i in range(len(vectors))]
    with VectorIndex.create(path, Sixteen(), factory=factory) as index:
        index.add(texts, [f"id-{i}" for i in range(len(vectors))], vectors=vectors)
    return path


def test_an_orthonormal_basis(run: Run, tmp_path: Path) -> None:
    make(tmp_path / "idx", np.eye(12, 16))
    done = run("index", "stats", tmp_path / "idx")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "passages     12",
        "duplicates   0",
        "near copies  0",
        "hubness      skewness 0.00; at most among the 10 nearest of 83.3%",
        "mean cosine  0.000",
        "spectrum     10 of 16 dimensions carry 90 %",
        "length       no relation to tell",
        "- nothing is out of the ordinary",
    ]


def test_copies_and_a_plot(run: Run, tmp_path: Path) -> None:
    rows = np.concatenate([np.eye(12, 16), np.eye(2, 16)])
    make(tmp_path / "idx", rows, [f"\x1b[31mtext {i % 12}" for i in range(14)])
    done = run("index", "stats", tmp_path / "idx", "--plot", tmp_path / "p.svg")
    assert done.code == 0
    assert "- 2 passages have the vector of another, 2 of them its very text" in done.out
    assert done.out.endswith(f"drawn to {tmp_path / 'p.svg'}\n")
    assert (tmp_path / "p.svg").read_text().startswith("<?xml")
    assert "\x1b" not in done.out


def test_json_of_a_sample(run: Run, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 16))
    make(tmp_path / "idx", rows)
    first, second = (
        json.loads(run("index", "stats", tmp_path / "idx", "--sample", 40, "--json").out) for _ in range(2)
    )
    assert first == second
    assert (first["passages"], first["sample"], first["dimension"], first["k"]) == (60, 40, 16, 10)
    assert first["most_frequent_neighbour"]["id"].startswith("id-")


def test_a_sample_is_of_what_is_there(tmp_path: Path) -> None:
    """Drawn without replacement, with its own vectors; what was deleted is never drawn."""
    rows = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    path = make(tmp_path / "idx", rows)
    with VectorIndex.open(path, Sixteen()) as index:
        index.delete([f"id-{i}" for i in range(0, 50, 5)])
    whole = sample_documents(path, 100)
    assert [document.id for document in whole.documents] == [f"id-{i}" for i in range(50) if i % 5]
    drawn = sample_documents(path, 15, seed=3)
    numbers = [int(document.id.removeprefix("id-")) for document in drawn.documents]
    assert (len(set(numbers)), drawn.total) == (15, 40)
    assert numbers == sorted(numbers)
    assert drawn.vectors == pytest.approx(unit[numbers], abs=1e-6)
    assert [document.text for document in drawn.documents] == [f"text {i}" for i in numbers]
    assert [d.id for d in sample_documents(path, 15, seed=4).documents] != [d.id for d in drawn.documents]


def test_a_quantized_index(run: Run, tmp_path: Path) -> None:
    """What a lossy factory kept has no unit length, and is measured by its direction."""
    make(tmp_path / "idx", np.random.default_rng(0).normal(size=(200, 16)), factory="SQ8")
    found = json.loads(run("index", "stats", tmp_path / "idx", "--json").out)
    assert abs(found["mean_cosine"]) < 0.05


def test_mistakes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "two", np.eye(2, 16))
    for arguments, message in (
        (["none"], "there is no index in none. Make one with: youtu-st index build PATH --out none"),
        (["two"], "two: neighbours are counted among at least 3 passages, and here are 2"),
        (["two", "--sample", "0"], "--sample must be an int of at least 1, not 0"),
        (["two", "--plot", "x.bmp"], "--plot must end in .png, .svg, .pdf, not '.bmp'"),
        (["two", "--plot", "no/x.png"], f"no/x.png: there is no directory {tmp_path}/no"),
    ):
        done = run("index", "stats", *arguments)
        assert (done.code, done.out, done.err) == (2, "", f"youtu-st: error: {message}\n")


def test_no_model_and_no_benchmark_is_loaded(tmp_path: Path) -> None:
    make(tmp_path / "idx", np.eye(12, 16))
    code = (
        "import sys; from youtu_st.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'mteb', 'transformers', 'matplotlib'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    arguments = [sys.executable, "-c", code, "index", "stats", str(tmp_path / "idx")]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_an_approximate_index_finds(run: Run, tmp_path: Path) -> None:
    make(tmp_path / "idx", np.eye(12, 16), factory="HNSW8")
    done = run("index", "stats", tmp_path / "idx")
    assert (done.code, done.err) == (0, "")
    found, took = done.out.splitlines()[7:9]
    assert found == "recall@10    1.000 of what an exact search finds, of 12 passages"
    assert re.fullmatch(r"search       \d+\.\d\d ms a query, \d+\.\d\d ms exactly", took)
    told = json.loads(run("index", "stats", tmp_path / "idx", "--json").out)["recall"]
    assert (told["k"], told["recall"], told["queries"], told["compared"]) == (10, 1, 12, "vectors")
    assert told["milliseconds"] > 0
    assert told["exact_milliseconds"] > 0


def test_an_exact_index_has_no_recall(run: Run, tmp_path: Path) -> None:
    make(tmp_path / "idx", np.eye(12, 16))
    assert json.loads(run("index", "stats", tmp_path / "idx", "--json").out)["recall"] is None


def test_what_is_lost_in_storing_is_asked_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(0).normal(size=(400, 16)).astype(np.float32)

    class Encoder(Sixteen):
        def encode_document(self, texts, *, instruction=None, show_progress=False):
            if not texts[0].startswith("text "):
                return self.encode_query(texts)
            return rows[[int(text.removeprefix("text ")) for text in texts]]

    with VectorIndex.create(tmp_path / "idx", Encoder(), factory="PQ4x4") as index:
        index.add([f"text {i}" for i in range(400)], vectors=rows)
        index.train()
    line = run("index", "stats", tmp_path / "idx").out.splitlines()[7]
    assert line == (
        "recall@10    1.000 of what an exact search of the vectors as stored finds, of 200 passages; what storing "
        "them lost is not in it: see --encode"
    )
    monkeypatch.setattr("youtu_st.cli.opening.encoder_for", lambda *_, **__: Encoder())
    line = run("index", "stats", tmp_path / "idx", "--encode").out.splitlines()[7]
    match = re.fullmatch(
        r"recall@10    (0\.\d\d\d) of what an exact search of the texts, encoded again, finds, of 200 passages",
        line,
    )
    assert match
    assert 0.1 < float(match[1]) < 0.9
