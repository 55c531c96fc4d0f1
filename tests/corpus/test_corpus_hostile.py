"""Files that somebody damaged, or made to do harm: one line with the file's name, and nothing that waits for ever."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.corpus import SUFFIXES, Gathered, find_files, read_documents, read_texts
from youtu_st.corpus.reading import decoding, readers, tables
from youtu_st.corpus.sources import SourceFile
from youtu_st.errors import InputError

DEEP = "[" * 100_000
needs_any_name = pytest.mark.skipif(sys.platform == "darwin", reason="the system takes UTF-8 only")


def refusal(path: Path) -> str:
    """The line with which a file is refused, after its name."""
    with pytest.raises(InputError) as caught:
        list(read_documents([path]))
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 1000
    assert line.startswith(str(path))
    return line.removeprefix(str(path))


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.jsonl", f'{{"text": "x", "n": {DEEP}', ", line 1: not valid JSON: it is nested too deeply"),
        ("a.jsonl", DEEP, ", line 1: not valid JSON: it is nested too deeply"),
        ("a.jsonl", '"x"\n{"text": ' * 5_000, ", line 2: not valid JSON: "),
        ("a.jsonl", '{"text": "x", "n": ' + "9" * 5000 + "}", ", line 1: not valid JSON: Exceeds the limit"),
        ("a.jsonl", r'{"text": "x", "n": "\ud800"}', ", line 1: holds half a surrogate pair"),
        ("a.jsonl", r'{"text": "x", "\udfff": 1}', ", line 1: holds half a surrogate pair"),
        (
            "a.jsonl",
            r'{"text": "x", "n": ["a\u0000b"]}',
            ", line 1: the fields beside the text must have no NUL",
        ),
        ("a.csv", "text,n\nx,a\0b\n", ", line 2: the fields beside the text must have no NUL"),
        ("a.jsonl", json.dumps({f"{'f' * 100}{n}": 1 for n in range(10_000)}), " and 9,990 more"),
        ("a.jsonl", '{"\\u001b[31m": 1}', r", line 1: no field 'text' or 'content'; its fields: \x1b[31m"),
        ("a.csv", ",".join(f"c{n}" for n in range(100_000)), " and 99,990 more"),
        ("a.csv", "text\n" + "x," * 100_000, ", line 2: 100001 fields, and the header has 1"),
        ("a.csv", "\x9b2J,b\n", r": no column 'text' or 'content'; its columns: \x9b2J, b"),
        ("a.pdf", "", ": not a readable PDF: "),
        ("a.pdf", "%PDF-1.4\n" + "[" * 100_000, ": not a readable PDF: "),
    ],
    ids=range(15),
)
def test_contents_that_are_none(tmp_path: Path, name: str, content: str, line: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    said = refusal(tmp_path / name)
    assert said.startswith(line) or said.endswith(line)


@pytest.mark.parametrize("depth", [50, 99, 900, 960, 980, 985, 990, 995, 1000, 2000])
def test_whatever_depth_is_read_or_refused(tmp_path: Path, depth: int) -> None:
    """Reading and writing JSON end at other depths."""
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "x", "n": {"[" * depth}{"]" * depth}}}')
    try:
        assert [document.text for document in read_documents([path])] == ["x"]
    except InputError as error:
        deep = (
            "not valid JSON: it is nested too deeply",
            "the fields beside the text must nest at most 100 levels",
        )
        assert str(error) in {f"{path}, line 1: {reason}" for reason in deep}


def test_numbers_of_many_digits_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "x", "n": 10**400, "id": 10**400}))
    (document,) = read_documents([path])
    assert document.metadata == {"line": 1, "n": 10**400, "id": str(10**400)}


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.md"])
def test_a_line_without_an_end_is_not_read_to_it(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "LONGEST", 1 << 20)
    (tmp_path / name).write_bytes(b'"text"\n' + b"x" * (3 << 20))
    if name in ("a.jsonl", "a.csv"):  # where a line is a record
        said = ", line 2: a line of more than 1 Mi characters: that is no text"
        assert refusal(tmp_path / name) == said
    else:
        documents = list(read_documents([tmp_path / name]))
        assert [len(document.text) for document in documents] == [7 + (1 << 20) - 7, 1 << 20, 1 << 20, 7]
    with (tmp_path / name).open("wb") as file:
        file.truncate(1 << 36)  # 64 GB that take no room on the disk
    assert refusal(tmp_path / name) == ": more zeros than characters: that is no text"


def test_a_field_over_many_lines_has_an_end_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LONGEST", 1 << 20)
    (tmp_path / "a.csv").write_text('text\nok\n"' + "x\n" * (1 << 20))
    assert refusal(tmp_path / "a.csv") == ", line 3: not valid CSV: field larger than field limit (1048576)"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_no_file_is_told_if_it_was_named_and_else_left_out(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    kinds = {name: folder / f"{name}{suffix}" for name in ("pipe", "device", "loop", "gone")}
    os.mkfifo(kinds["pipe"])
    kinds["device"].symlink_to("/dev/zero")
    kinds["loop"].symlink_to(kinds["loop"].name)
    kinds["gone"].symlink_to("/nowhere")
    (folder / "good.txt").write_text("good")
    assert refusal(kinds["pipe"]) == ": it is a pipe, and must be a file"
    assert refusal(kinds["device"]) == ": it is a device, and must be a file"
    assert refusal(kinds["loop"]) == ": too many levels of symbolic links"
    assert refusal(kinds["gone"]) == ": a link to nowhere"
    notes = Gathered()
    found = find_files([folder], notes)
    assert ([file.path.name for file in found.files], found.skipped) == (["good.txt"], 0)
    assert notes.notes == [
        f"{kinds['device']}: left out: it is a device, and must be a file",
        f"{kinds['gone']}: left out: a link to nowhere",
        f"{kinds['loop']}: left out: too many levels of symbolic links",
        f"{kinds['pipe']}: left out: it is a pipe, and must be a file",
    ]


def test_a_socket_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.txt")
        notes = Gathered()
        assert find_files(["."], notes).files == ()
        assert notes.notes == ["a.txt: left out: it is a socket, and must be a file"]
        with pytest.raises(InputError, match=r"^a\.txt: it is a socket, and must be a file$"):
            find_files(["a.txt"])


def test_a_file_that_became_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        path = tmp_path / f"a{suffix}"
        os.mkfifo(path)
        with pytest.raises(InputError, match="cannot be read: it is a pipe, and must be a file$"):
            list(readers.read_file(SourceFile(path, path.as_posix())))


@pytest.mark.parametrize("suffix", readers.LINE_SUFFIXES)
def test_texts_are_not_waited_for_either(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    os.mkfifo(path)
    with pytest.raises(OSError, match="it is a pipe, and must be a file"):
        list(read_texts(path))
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="it is a device, and must be a file"):
        list(read_texts(path))


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b.txt", "x" * 5000 + ".txt"])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(InputError):
        find_files([name])


@needs_any_name
def test_names_of_any_bytes(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    for name in (b"a\nb.txt", b"\x1b]52;c;eA==\x07.txt", b"a\tb.txt"):
        (Path(os.fsdecode(folder)) / os.fsdecode(name)).write_bytes(b"hello")
    assert [document.text for document in read_documents([tmp_path])] == ["hello"] * 3
    (tmp_path / os.fsdecode(b"caf\xe9\n.txt")).write_bytes(b"hello")
    with pytest.raises(InputError) as caught:
        find_files([tmp_path])
    assert str(caught.value) == (
        rf"'{tmp_path}/caf\udce9\n.txt': no index can hold a name that is not UTF-8: rename the file"
    )


@settings(max_examples=100, deadline=None)
@given(
    content=st.binary(max_size=200) | st.text(alphabet='"{}[]:,\\ntextudcff0\n ', max_size=80).map(str.encode)
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_bytes_are_read_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, content: bytes
) -> None:
    path: Any = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    try:
        for document in read_documents([path]):
            document.text.encode()
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
