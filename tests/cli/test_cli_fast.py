"""``--fast``: measured on first use, remembered, said in one line; indexes open in either mode."""

from __future__ import annotations

import gc
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import FACTS, Result, spawn_on_a_terminal

import youtu_st
from youtu_st.backends import fastest as ways_to_run
from youtu_st.backends import trials
from youtu_st.backends.trials import Trial, Way
from youtu_st.index import read_manifest

Run = Callable[..., Result]
TEXTS = ["How do I renew a passport?", "法国首都是哪里？", "a longer text " * 20, "x"]
WAY = r"(torch|openvino|onnx) \w+"
CHOSEN = (
    rf"youtu-st: fast: {WAY}: [\d,]+ texts/s, "
    r"(the fastest of \d ways|\d+\.\d times torch float32, cosine (1\.0000|0\.999[5-9])\d)"
)
UNUSED = {
    "datasets",
    "pandas",
    "matplotlib",
    "openvino",
    "nncf",
    "onnxruntime",
    "pypdf",
    "semantic_text_splitter",
}

pytestmark = [
    pytest.mark.openvino,
    pytest.mark.skipif(
        importlib.util.find_spec("openvino") is None, reason="needs a second way: the extra openvino"
    ),
]


@pytest.fixture(autouse=True)
def short(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path_factory.getbasetemp() / "cli-cache"))
    monkeypatch.setattr(trials, "ROUND_SECONDS", 0)
    monkeypatch.setattr(trials, "USUAL_TEXTS", 6)


def test_a_terminal_shows_the_measurement_and_then_the_choice(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    arguments = ["encode", "t.txt", "--role", "query", "--model", str(tiny), "--fast"]
    environment = {"YOUTU_ST_CACHE": str(tmp_path / "cache"), "COLUMNS": "300"}
    code, text = spawn_on_a_terminal(*arguments, "--out", "t.npy", cwd=tmp_path, **environment)
    assert code == 0
    # The spinner is drawn a few times a second, so it may have missed one of the two.
    assert re.search(rf"measuring the fastest of \d ways to run \S+: {WAY} \.\.\.", text)
    assert re.search(CHOSEN + r"\r\n", text)
    assert "(remembered)" not in text

    plain = youtu_st.Encoder(tiny, device="cpu", dtype="float32")
    cosines = (np.load(tmp_path / "t.npy") * plain.encode_query(TEXTS)).sum(axis=1)
    assert cosines.min() >= 0.9995


def test_the_choice_is_remembered(
    run: Run, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "cache"))  # nothing is remembered yet
    (tmp_path / "t.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    rest = ["--role", "document", "--out", tmp_path / "t.npy", "--model", tiny]
    first = run("encode", tmp_path / "t.txt", *rest, "--fast")
    again = run("encode", tmp_path / "t.txt", *rest, "--fast")
    assert (first.code, again.code) == (0, 0)
    assert re.fullmatch(CHOSEN + r"\n", first.err)
    assert again.err == first.err.replace("\n", " (remembered)\n")
    assert again.out == first.out
    assert run("encode", tmp_path / "t.txt", *rest) == Result(0, first.out, "")  # the same fingerprint


@pytest.mark.parametrize(("built", "again"), [([], ["--fast"]), (["--fast"], [])], ids=["plain", "fast"])
def test_an_index_opens_in_the_other_mode(
    run: Run,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    built: list[str],
    again: list[str],
) -> None:
    def openvino(table: tuple[Trial, ...]) -> Trial:
        return next(trial for trial in table if trial.way == ("openvino", "float32", None))

    monkeypatch.setattr(ways_to_run, "best", openvino)  # whichever is faster here
    (tmp_path / "facts.jsonl").write_text(FACTS, encoding="utf-8")
    index = tmp_path / "idx"
    build = ["index", "build", tmp_path / "facts.jsonl", "--out", index, "--model", tiny]
    made = run(*build, *built)
    assert made.code == 0
    assert read_manifest(index).runtime["backend"] == ("openvino" if built else "torch")
    updated = run(*build, *again)
    assert updated.out.startswith("added 0, unchanged 2, deleted 0 ")
    assert [result.err.startswith("youtu-st: fast: openvino float32: ") for result in (made, updated)] == [
        bool(built),
        bool(again),
    ]
    question = "capital of France"
    found = run("index", "search", index, question, "--mode", "dense", "--json")
    assert (found.code, found.err) == (0, "")
    hits = json.loads(found.out)
    plain = youtu_st.Encoder(tiny, device="cpu", dtype="float32")
    scores = plain.encode_query([question]) @ plain.encode_document([hit["text"] for hit in hits]).T
    assert len(hits) == 2
    np.testing.assert_allclose([hit["score"] for hit in hits], scores[0], atol=1e-4)
    assert hits[0]["score"] > hits[1]["score"]


def test_what_rounded_weights_cost_is_said(
    run: Run, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    arguments = [
        "encode",
        tmp_path / "t.txt",
        "--role",
        "query",
        "--out",
        tmp_path / "t.npy",
        "--model",
        tiny,
    ]
    refused = run(*arguments, "--rounded")
    assert (refused.code, refused.err) == (2, "youtu-st: error: --rounded goes with --fast\n")
    exact, rounded = Way("torch", "float32"), Way("openvino", "float32", "int8")
    monkeypatch.setattr(ways_to_run, "candidates", lambda device: [exact])
    monkeypatch.setattr(ways_to_run, "rounded_candidates", lambda device: [rounded])

    def measured(speed: float) -> Callable[..., tuple[Trial, ...]]:
        return lambda *_: (Trial(*exact[:2], 10.0, 1.0), Trial(*rounded[:2], speed, 0.9991, None, "int8"))

    for model_speed, told in (
        (
            25.0,
            "openvino int8: 25 texts/s, 2.5 times torch float32, cosine 0.99910; to have it: youtu-st export MODEL "
            "--engine openvino --weights int8 --out DIR",
        ),
        (5.0, "no rounded weights are faster here and keep the cosine that they must"),
    ):
        monkeypatch.setattr(ways_to_run, "run_trials", measured(model_speed))
        monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / str(model_speed)))
        result = run(*arguments, "--fast", "--rounded")
        assert result.code == 0
        assert result.err.splitlines() == [
            "youtu-st: fast: torch float32: 10 texts/s, the only exact way",
            f"youtu-st: rounded: {told}",
        ]


def test_a_search_imports_nothing_that_it_does_not_need(here: Path) -> None:
    program = (
        "import gc, sys; from youtu_st.cli import main; code = main(sys.argv[1:]); "
        "print(gc.isenabled(), gc.get_freeze_count(), *{name.split('.')[0] for name in sys.modules}); "
        "sys.exit(code)"
    )
    arguments = ["index", "search", "idx", "Rhine", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    enabled, frozen, *modules = done.stdout.splitlines()[-1].split()
    assert "torch" in modules
    # With the extra train installed, the host itself imports what training needs.
    bare = "import sys, sentence_transformers; print(*{name.split('.')[0] for name in sys.modules})"
    hosts = subprocess.run([sys.executable, "-c", bare], capture_output=True, text=True, check=True)
    assert not (UNUSED - set(hosts.stdout.split())) & set(modules)
    assert (enabled, int(frozen) > 100_000) == ("True", True)  # what was imported is never walked again


def test_the_collector_is_left_alone_where_torch_is_there(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("one\n")
    frozen = gc.get_freeze_count()
    assert (
        run(
            "encode", tmp_path / "t.txt", "--role", "query", "--out", tmp_path / "t.npy", "--model", tiny
        ).code
        == 0
    )
    # What another test froze in this process may have died meanwhile; a freeze adds all that lives.
    assert gc.isenabled()
    assert gc.get_freeze_count() <= frozen
