"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from youtu_st import disk
from youtu_st.cli.encode import write_matrix
from youtu_st.disk import beside, replace, whole, write_whole
from youtu_st.errors import ModelLoadError

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")


class Stop(BaseException):
    """What no ``except Exception`` catches, as an interrupt from the keyboard."""


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    for content in (b"first", b"", b"the second is longer"):
        write_whole(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
        assert names(tmp_path) == ["file"]


def test_until_the_end_the_old_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with whole(tmp_path / "file") as written:
        written.write_bytes(b"ne")
        assert written.parent == tmp_path
        assert (tmp_path / "file").read_bytes() == b"old"
        written.write_bytes(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [RuntimeError, Stop])
@pytest.mark.parametrize("old", [b"old", None])
def test_an_error_in_the_middle_leaves_what_was_there(tmp_path: Path, error: Any, old: bytes | None) -> None:
    if old is not None:
        (tmp_path / "file").write_bytes(old)

    def stopped() -> None:
        with whole(tmp_path / "file") as written:
            written.write_bytes(b"half")
            raise error("in the middle")

    with pytest.raises(error, match="in the middle"):
        stopped()
    assert names(tmp_path) == ([] if old is None else ["file"])
    assert old is None or (tmp_path / "file").read_bytes() == old


def test_a_file_that_nobody_wrote_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole(tmp_path / "file"):
        pass
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "file", b"x")
    assert names(tmp_path) == []


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    with whole(tmp_path / "file") as one, whole(tmp_path / "file") as other:
        assert one != other
        one.write_bytes(b"outer, and so the last")
        other.write_bytes(b"inner")
    assert (tmp_path / "file").read_bytes() == b"outer, and so the last"
    assert len({beside(tmp_path / "file") for _ in range(100)}) == 100


def test_a_name_may_be_given_to_write_under(tmp_path: Path) -> None:
    (tmp_path / "file.tmp").write_bytes(b"left by a writer that was killed")
    with whole(tmp_path / "file", temporary="file.tmp") as written:
        assert written == tmp_path / "file.tmp"
        written.write_bytes(b"new")
    assert ((tmp_path / "file").read_bytes(), names(tmp_path)) == (b"new", ["file"])


@POSIX
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "file", b"x")
        write_matrix(tmp_path / "matrix.npy", [np.ones((1, 2), dtype=np.float32)], (1, 2))
    finally:
        os.umask(before)
    for name in ("file", "matrix.npy"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask


@POSIX
def test_a_link_stays_one_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(Path("far", "file"))
    for content in (b"made", b"replaced"):
        write_whole(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "far" / "file").read_bytes() == content
    assert (names(tmp_path), names(tmp_path / "far")) == (["far", "link"], ["file"])


@pytest.mark.parametrize("kind", ["a pipe", "a folder"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd"
    os.mkfifo(path) if kind == "a pipe" else path.mkdir()
    before = path.lstat().st_ino
    with pytest.raises(OSError, match=f"it is {kind}, and must be a file"), whole(path) as written:
        written.write_bytes(b"new")
    assert path.lstat().st_ino == before
    assert [file.name for file in tmp_path.iterdir()] == ["odd"]


def test_content_and_name_are_flushed_in_that_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, os.replace

    def flushed(descriptor: int) -> None:
        done.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        done.append("name")
        rename(source, target)

    monkeypatch.setattr(disk.os, "fsync", flushed)
    monkeypatch.setattr(disk.os, "replace", renamed)
    write_whole(tmp_path / "file", b"x")
    assert done == ["file", "name", *(["directory"] if os.name != "nt" else [])]


def test_a_directory_takes_its_name_too(tmp_path: Path) -> None:
    made = beside(tmp_path / "entry")
    made.mkdir()
    write_whole(made / "file", b"x")
    replace(made, tmp_path / "entry")
    assert (names(tmp_path), (tmp_path / "entry" / "file").read_bytes()) == (["entry"], b"x")


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "a folder", "a file"])
def test_a_directory_takes_a_place_that_is_free(tmp_path: Path, there: str) -> None:
    written, target = tmp_path / "w", tmp_path / "t"
    written.mkdir()
    (written / "new").touch()
    if there != "nothing":
        target.touch() if there == "a file" else target.mkdir()
    if there == "a folder":
        (target / "old").touch()
    if there in ("nothing", "an empty folder"):
        disk.take_place(written, target)
        assert [path.name for path in target.iterdir()] == ["new"]
        assert not written.exists()
        return
    with pytest.raises(FileExistsError, match="another process has put something there meanwhile") as caught:
        disk.take_place(written, target)
    assert caught.value.filename == str(target)
    assert (written / "new").exists()
    assert target.is_file() or [path.name for path in target.iterdir()] == ["old"]


@pytest.mark.parametrize("room", ["loading", "training"])
def test_a_model_that_comes_second_is_told_so(tmp_path: Path, room: str) -> None:
    from youtu_st.loading import vacant
    from youtu_st.training.fusion import writing

    out, made = tmp_path / "out", vacant.whole_directory if room == "loading" else writing.whole_directory

    def write() -> None:
        with made(out) as written:
            (written / "mine").touch()
            out.mkdir()
            (out / "theirs").touch()

    message = "another process has put something there meanwhile: choose"
    with pytest.raises((ModelLoadError, FileExistsError), match=message) as caught:
        write()
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["out"]
    assert names(out) == ["theirs"]


def test_a_matrix_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "matrix.npy"
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    write_matrix(file, iter([rows[:2], rows[2:]]), (3, 2))
    np.testing.assert_array_equal(np.load(file), rows)

    def blocks() -> Any:
        yield -rows[:2]
        raise Stop("in the middle")

    with pytest.raises(Stop):
        write_matrix(file, blocks(), (3, 2))
    np.testing.assert_array_equal(np.load(file), rows)
    assert names(tmp_path) == ["matrix.npy"]
