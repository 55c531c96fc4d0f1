"""Which files are found, and which have changed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import xxhash
from job_folders import job

from youtu_st.corpus import Gathered
from youtu_st.errors import InputError
from youtu_st.scale.input.files import (
    ENDS,
    KINDS,
    check_unchanged,
    compare_inputs,
    digest_of_ends,
    find_inputs,
    looked_at_again,
)
from youtu_st.scale.job.folder import JobFolder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "docs"
    made.mkdir()
    return made


def names(*paths: str | Path, notes: Gathered | None = None, **more: Path) -> list[str]:
    return [file.name for file in find_inputs(paths, notes, **more)]


def test_every_kind_is_found_by_its_name(folder: Path):
    for suffix in KINDS:
        (folder / f"a{suffix.upper()}").write_bytes(b"x")
    found = {file.name: file.kind for file in find_inputs(["docs"])}
    assert found == {f"docs/a{suffix.upper()}": kind for suffix, kind in KINDS.items()}
    assert {file.name for file in find_inputs(["docs"]) if file.is_gzip} == {
        f"docs/a{suffix}" for suffix in (".JSONL.GZ", ".CSV.GZ", ".TSV.GZ", ".TXT.GZ")
    }


def test_folders_are_walked_sorted_and_without_what_is_hidden(folder: Path):
    for name in ("b.jsonl", "a.jsonl", ".hidden.jsonl", "sub/c.txt", ".git/d.txt", "e.odt", "f.gz"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x\n")
    notes = Gathered()
    assert names("docs", notes=notes) == ["docs/a.jsonl", "docs/b.jsonl", "docs/sub/c.txt"]
    assert notes.notes == ["skipped 2 files of other kinds: docs/e.odt, docs/f.gz"]
    assert notes.count == 0


def test_folders_of_other_jobs_are_left_out_unless_they_are_named(folder: Path):
    JobFolder.create(folder / "done", job())
    (folder / "alike").mkdir()
    (folder / "alike" / "job.json").write_text('{"format": "mine"}')
    for name in ("a.jsonl", "alike/b.jsonl", "done/rejected.jsonl", "done/vectors/part-00000.parquet"):
        (folder / name).write_text("x\n")
    notes = Gathered()
    assert names("docs", notes=notes) == ["docs/a.jsonl", "docs/alike/b.jsonl"]
    assert notes.notes[1:] == ["docs/done: left out: the folder of another job"]
    assert names("docs/done/vectors") == ["docs/done/vectors/part-00000.parquet"]
    assert names("docs/done") == ["docs/done/rejected.jsonl", "docs/done/vectors/part-00000.parquet"]
    assert names("docs/alike", "docs/done/rejected.jsonl", "docs") == [
        "docs/alike/b.jsonl",
        "docs/done/rejected.jsonl",
        "docs/a.jsonl",
    ]


def test_a_file_of_two_names_is_there_once(folder: Path):
    (folder / "a.txt").write_text("x\n")
    (folder / "b.txt").symlink_to("a.txt")
    notes = Gathered()
    (file,) = find_inputs(["docs/a.txt", "docs", folder / "a.txt"], notes)
    assert (file.name, file.path) == ("docs/a.txt", os.path.realpath(folder / "a.txt"))
    assert notes.notes == [
        "docs/b.txt: left out: the same file as docs/a.txt",
        f"{folder}/a.txt: left out: the same file as docs/a.txt",
    ]


def test_a_link_has_the_kind_of_its_own_name(folder: Path, tmp_path: Path):
    (tmp_path / "0af3").write_text("{}\n")
    (folder / "a.jsonl").symlink_to(tmp_path / "0af3")
    (file,) = find_inputs(["docs"])
    assert (file.name, file.kind, file.path) == ("docs/a.jsonl", "jsonl", os.path.realpath(tmp_path / "0af3"))


def test_the_folder_that_is_written_to_is_not_read(folder: Path):
    (folder / "out" / "vectors").mkdir(parents=True)
    (folder / "out" / "vectors" / "part-00000.parquet").write_bytes(b"x")
    (folder / "a.txt").write_text("x\n")
    assert names("docs", without=Path("docs/out")) == ["docs/a.txt"]
    assert len(names("docs")) == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.jsonl", "gone.jsonl: no such file or folder"),
        ("a.odt", "a.odt: cannot read files of this kind; known: .parquet, .jsonl, .jsonl.gz, "),
        ("a.gz", "a.gz: cannot read files of this kind"),
        ("pipe.jsonl", "pipe.jsonl: "),
    ],
)
def test_what_cannot_be_read(folder: Path, path: str, message: str):
    for name in ("a.odt", "a.gz"):
        Path(name).write_bytes(b"x")
    os.mkfifo("pipe.jsonl")
    with pytest.raises(InputError) as caught:
        find_inputs([path])
    assert str(caught.value).startswith(message)
    notes = Gathered()
    assert find_inputs([path], notes) == []
    assert notes.count == 1


def test_a_file_that_may_not_be_read_is_a_problem(folder: Path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (folder / "a.txt").write_text("x\n")
    (folder / "a.txt").chmod(0)
    with pytest.raises(InputError, match=r"a\.txt: cannot be read: permission denied"):
        find_inputs(["docs"])


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_name_that_is_not_utf8(folder: Path):
    Path(os.fsdecode(bytes(folder) + b"/caf\xe9.txt")).write_text("x\n")
    with pytest.raises(InputError, match="not UTF-8: rename the file") as caught:
        find_inputs(["docs"])
    assert str(caught.value).isprintable()


def test_the_digest_is_of_the_size_and_the_ends(tmp_path: Path):
    path = tmp_path / "a.txt"
    for size in (0, 1, ENDS, ENDS + 1, 2 * ENDS, 3 * ENDS):
        content = bytes(i * 7 % 251 for i in range(size))
        path.write_bytes(content)
        ends = content if size <= 2 * ENDS else content[:ENDS] + content[-ENDS:]
        assert digest_of_ends(path) == (size, xxhash.xxh3_128_hexdigest(b"%d\n" % size + ends))


def test_what_has_changed(folder: Path):
    for name in "abcd":
        (folder / f"{name}.txt").write_text(f"{name}\n")
    before = find_inputs(["docs"])
    assert not compare_inputs(before, find_inputs(["docs"]))
    (folder / "a.txt").write_text("A\n")  # of the same size
    (folder / "b.txt").write_text("longer\n")
    (folder / "c.txt").unlink()
    (folder / "e.txt").write_text("e\n")
    now = find_inputs(["docs"])
    changed, vanished, new = compare_inputs(before, now)
    assert [file.name for file in changed] == ["docs/a.txt", "docs/b.txt"]
    assert [file.name for file in vanished] == ["docs/c.txt"]
    assert [file.name for file in new] == ["docs/e.txt"]
    assert looked_at_again(before) == [file for file in now if file not in new]
    with pytest.raises(InputError, match=r"^docs/a\.txt: the file has changed since it was planned$"):
        check_unchanged(before[0])
    check_unchanged(before[3])
