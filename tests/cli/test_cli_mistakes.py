"""A user's mistake is one line and exit code 2; what was there stays as it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Result, spawn

from youtu_st.corpus import SUFFIXES
from youtu_st.spec.model import known_models

Run = Callable[..., Result]

KNOWN = f"{', '.join(known_models())}; a directory, a hub id (owner/name) or a .yaml file work too"
ENCODE = ["encode", "t.txt", "--role", "query", "--out", "t.npy"]

# Arguments and the line; run where t.txt, blank.txt, latin.txt, t.docx, t.doc, full/ and void/ are.
MISTAKES = [
    (["nocommand"], "No such command 'nocommand'. See: youtu-st --help"),
    (["encode", "t.txt"], "Missing option '--role'. See: youtu-st encode --help"),
    (
        [*ENCODE, "--model", "minilmm"],
        f"unknown model 'minilmm'. Did you mean 'minilm'? Known names: {KNOWN}",
    ),
    ([*ENCODE, "--model", "./gone/model"], f"unknown model './gone/model'. Known names: {KNOWN}"),
    (["encode", "gone.txt", "--role", "query", "--out", "t.npy"], "gone.txt: no such file or directory"),
    (["encode", "t.txt", "--role", "doc", "--out", "t.npy"], "--role must be query or document, not 'doc'"),
    (
        ["encode", "blank.txt", "--role", "query", "--out", "t.npy"],
        "blank.txt, line 2: blank, so there is nothing to encode",
    ),
    (["encode", "empty.txt", "--role", "query", "--out", "t.npy"], "empty.txt: there are no texts in it"),
    (
        ["encode", "latin.txt", "--role", "query", "--out", "t.npy"],
        "latin.txt: not UTF-8 at byte 3 (0x81): say what it is with --encoding, or save it as UTF-8",
    ),
    (
        [*ENCODE, "--encoding", "utf-9"],
        "--encoding must be the name of an encoding, such as gb18030, utf-16 or cp1252, not 'utf-9'",
    ),
    ([*ENCODE, "--model", ""], "--model must not be empty: give it a value, or leave it out"),
    (["index", "build", "t.txt", "--out="], "--out must not be empty: give it a value, or leave it out"),
    (
        ["index", "build", "t.txt", "--out", "new", "--factory", ""],
        "--factory must not be empty: give it a value, or leave it out",
    ),
    (
        ["index", "build", "", "--out", "new"],
        "an argument is empty, the one after 'build': give it a value",
    ),
    (["models", ""], "an argument is empty, the one after 'models': give it a value"),
    (
        ["encode", "t.txt", "--role", "query", "--out", "null"],
        "null is a device: --out is the file to write",
    ),
    (
        ["encode", "t.txt", "--role", "query", "--out", "/dev/stdout"],
        "/dev/stdout is a device: --out is the file to write",
    ),
    (
        ["encode", "t.txt", "--role", "query", "--out", "circle"],
        "circle is a link in a circle: --out is the file to write",
    ),
    (
        ["encode", "t.txt", "--role", "query", "--out", "pipe"],
        "pipe is a device or a pipe: --out is the file to write",
    ),
    (
        ["encode", "t.docx", "--role", "query", "--out", "t.npy"],
        "t.docx: cannot read files of this kind; known: .csv, .jsonl, .tsv, .txt, and - for lines",
    ),
    (
        ["encode", "t.txt", "--role", "query", "--out", "full"],
        "full is a directory: --out is the file to write",
    ),
    (
        [*ENCODE, "--instruction", "Find"],
        "this model takes no instructions: its spec has no template. A text to put before every query as it "
        'stands is a prompt of the model: prompts={"query": "..."}',
    ),
    (
        ["encode", "t.txt", "--role", "document", "--out", "t.npy", "--instruction", "Find"],
        "--instruction goes with --role query: documents are encoded without one",
    ),
    ([*ENCODE, "--dimensions", "5"], "dimensions must be one of 384, which 'minilm' was trained for, not 5"),
    (["index", "search", "idx", "q", "-k", "0"], "-k must be an int of at least 1, not 0"),
    (["index", "search", "idx", " "], "QUESTION must be a question, not blank"),
    (
        ["index", "search", "idx", "q", "--filter", "{lang"],
        "--filter is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1). "
        """Examples: --filter lang=zh, --filter 'year>=2020,tags!=draft', --filter '{"lang": "zh"}'""",
    ),
    (
        ["index", "search", "idx", "q", "--filter", "[1]"],
        "--filter cannot be read from '[1]' on. "
        """Examples: --filter lang=zh, --filter 'year>=2020,tags!=draft', --filter '{"lang": "zh"}'""",
    ),
    (
        ["index", "search", "full", "q"],
        "there is no index in full. Make one with: youtu-st index build PATH --out full",
    ),
    (
        ["index", "info", "gone"],
        "there is no index in gone. Make one with: youtu-st index build PATH --out gone",
    ),
    (["index", "build", "gone", "--out", "new"], "gone: no such file or folder"),
    (
        ["index", "build", "t.doc", "--out", "new"],
        f"t.doc: cannot read files of this kind; known: {', '.join(SUFFIXES)}",
    ),
    (
        ["index", "build", "void", "--out", "new"],
        f"no documents found in void: there is no file of {' '.join(SUFFIXES)}",
    ),
    (["index", "build", "empty.txt", "--out", "new"], "no documents found in empty.txt: 1 file, all empty"),
    (
        ["index", "build", "latin.txt", "--out", "new"],
        "latin.txt: not UTF-8 at byte 3 (0x81): say what it is with --encoding, or save it as UTF-8 "
        "(--skip-errors goes on without it)",
    ),
    (
        ["index", "build", "t.txt", "--out", "full"],
        "full must be a new or an empty directory, and holds 'keep.txt'",
    ),
    (
        ["index", "build", "t.txt", "--out", "idx", "--factory", "HNSW32"],
        "idx was built with --factory Flat, not HNSW32: build another directory",
    ),
    (
        ["index", "build", "t.txt", "--out", "new", "--chunk-tokens", "0"],
        "--chunk-tokens must be an int of at least 1, not 0",
    ),
    (
        ["index", "build", "t.txt", "--out", "new", "--chunk-tokens", "255"],
        "tokens of a passage must be from 1 to 254, which is what the model reads, not 255",
    ),
    (
        ["index", "build", "t.txt", "--out", "new", "--overlap", "-1"],
        "--overlap must be an int of at least 0, not -1",
    ),
    (
        ["index", "build", "t.txt", "--out", "new", "--overlap", "9", "--chunk-tokens", "9"],
        "--overlap must be less than --chunk-tokens 9, not 9",
    ),
    (
        ["index", "build", "t.txt", "--out", "new", "--overlap", "128"],
        "the overlap of passages must be an int from 0 to 127, less than the 128 tokens of a passage, not 128",
    ),
    (
        ["convert", "minilm", "--checkpoint", "void", "--out", "full"],
        "full is not an empty directory: nothing is overwritten",
    ),
    (["convert", "youtu-embedding", "--checkpoint", "gone", "--out", "new"], "there is no directory 'gone'"),
]


@pytest.fixture
def place(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(built / "idx", tmp_path / "idx")
    (tmp_path / "t.txt").write_text("one\ntwo\n")
    (tmp_path / "blank.txt").write_text("one\n \ntwo\n")
    (tmp_path / "latin.txt").write_bytes(b"caf\x81\n")
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "t.docx").touch()
    (tmp_path / "t.doc").touch()
    (tmp_path / "void").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "keep.txt").write_text("keep")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    paths = sorted(
        path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(("arguments", "line"), MISTAKES, ids=[line[:40] for _, line in MISTAKES])
def test_a_mistake_is_one_line(run: Run, place: Path, arguments: list[str], line: str) -> None:
    before = files(place)
    assert run(*arguments) == Result(2, "", f"youtu-st: error: {line}\n")
    assert files(place) == before
    assert not (place / "new").exists()


def test_another_encoder_is_one_line(run: Run, place: Path) -> None:
    from youtu_st.spec import configs_directory

    spec = (configs_directory() / "models" / "minilm.yaml").read_text(encoding="utf-8")
    (place / "mine.yaml").write_text(spec.replace('query: ""', 'query: "q: "'), encoding="utf-8")
    result = run("index", "search", "idx", "q", "--model", "mine.yaml")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "youtu-st: error: the index in idx was built with another encoder (minilm, this is "
        f"{place / 'mine.yaml'}): prompts: index has "
        '{"document": "", "query": ""}, encoder has {"document": "", "query": "q: "}; '
        "open it with that encoder, or build the index again\n"
    )


def test_a_locked_index_is_one_line(run: Run, place: Path) -> None:
    from youtu_st import Encoder
    from youtu_st.index import VectorIndex

    with VectorIndex.open(place / "idx", Encoder("minilm")) as index:
        index.add(["mine"])
        result = run("index", "build", "t.txt", "--out", "idx")
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert result.err.startswith("youtu-st: error: the index in idx is being written by another process")


def test_debug_shows_the_traceback(run: Run, place: Path) -> None:
    result = run("--debug", "index", "info", "gone")
    assert result.code == 2
    assert result.err.startswith("Traceback (most recent call last):\n")
    assert result.err.endswith(
        "youtu-st: error: there is no index in gone. Make one with: youtu-st index build PATH --out gone\n"
    )


def test_a_fault_of_the_program_is_told_from_a_mistake(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("youtu_st.spec.model.load_spec", broken)
    assert run("models") == Result(
        1,
        "",
        "youtu-st: error: unexpected ZeroDivisionError: division by zero "
        "(a fault of the program: 'youtu-st --debug ...' shows where)\n",
    )
    assert "in broken" in run("--debug", "models").err


@pytest.mark.slow
def test_the_process_itself_ends_with_code_2_and_one_line(place: Path) -> None:
    result = spawn("encode", "blank.txt", "--role", "query", "--out", "t.npy", cwd=place)
    assert result == Result(
        2, "", "youtu-st: error: blank.txt, line 2: blank, so there is nothing to encode\n"
    )
    result = spawn("encode", "t.txt", "--role", "query", "--out", "t.npy", "--dimensions", "5", cwd=place)
    assert result == Result(
        2, "", "youtu-st: error: dimensions must be one of 384, which 'minilm' was trained for, not 5\n"
    )
