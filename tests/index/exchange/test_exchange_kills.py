"""An import that is killed, interrupted, or has no room: the index is whole or not there, and nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from forked import in_child
from tiny import TinyEncoder

import youtu_st.disk
import youtu_st.index
from youtu_st.errors import VectorIndexError
from youtu_st.index import VectorIndex, check_index
from youtu_st.index.exchange import export_index, import_index, merge_indexes, open_source

resource = pytest.importorskip("resource", reason="only Unix has limits of a process")

COUNT = 1500
"""Documents: more than are written at a time."""
ENCODER = TinyEncoder()
OURS = (str(Path(youtu_st.index.__file__).parent), youtu_st.disk.__file__)
Work = Callable[[Path], object]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two indexes, and the first one's documents in a file."""
    folder = tmp_path_factory.mktemp("sources")
    for number, name in enumerate(("one", "two")):
        texts = [f"Text {i} of {name}." for i in range(COUNT // (1 + 9 * number))]
        with VectorIndex.create(folder / name, ENCODER) as index:
            index.add(texts, [f"{name}-{i}" for i in range(len(texts))])
    export_index(folder / "one", folder / "t.jsonl")
    return folder


@pytest.fixture(params=["import", "encode", "merge"])
def work(request: pytest.FixtureRequest, sources: Path) -> Work:
    """Makes an index in a directory."""
    if request.param == "merge":
        return lambda out: merge_indexes([sources / "one", sources / "two"], out)
    encode = request.param == "encode"
    return lambda out: import_index(
        open_source(sources / "t.jsonl", vectors=not encode), out, ENCODER, encode=encode
    )


def whole(path: Path) -> int:
    """How many documents an index has that is as it should be."""
    assert check_index(path).damage == ()
    with VectorIndex.open(path, ENCODER) as index:
        ids = index.ids()
        texts = [document.text for document in index.get(ids) if document is not None]
        np.testing.assert_array_equal(index.vectors(ids), ENCODER.encode_document(texts))
        return len(ids)


def signalled(work: Callable[[], object], kind: int, line: int) -> Callable[[], int]:
    """Does it in a child that sends itself a signal at a line in the index; gives the lines that it came to."""

    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            count += 1
            if count == line:
                os.kill(os.getpid(), kind)
        return trace

    def run() -> int:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.settrace(trace)
        try:
            work()
        except KeyboardInterrupt:
            return -1
        finally:
            sys.settrace(None)
        return count

    return run


def moments(lines: int, number: int) -> list[int]:
    """Lines from first to last: some in the middle, and more where it begins and ends."""
    ends = [*range(1, 40, 5), *range(lines - 200, lines + 1, 25)]
    return sorted({*ends, *np.linspace(1, lines, number).astype(int).tolist()})


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_a_signal_at_any_moment(tmp_path: Path, work: Work, kind: int) -> None:
    out = tmp_path / "new"
    lines = in_child(signalled(lambda: work(out), 0, -1))
    expected = whole(out)
    shutil.rmtree(out)
    seen = set()
    for line in moments(lines, 12):
        killed = os.fork()
        if not killed:
            os._exit(0 if signalled(lambda: work(out), kind, line)() == -1 else 7)
        status = os.waitpid(killed, 0)[1]
        if kind == signal.SIGKILL:
            assert os.WIFSIGNALED(status), line
            assert {path.name[:5] for path in tmp_path.iterdir()} <= {"new", ".new."}, line
        else:
            assert os.waitstatus_to_exitcode(status) == 0, line
            assert [path.name for path in tmp_path.iterdir()] in ([], ["new"]), line
        seen.add(out.exists())
        if out.exists():
            assert whole(out) == expected, line
            shutil.rmtree(out)
        work(out)
        assert [path.name for path in tmp_path.iterdir()] == ["new"], line
        assert whole(out) == expected
        shutil.rmtree(out)
    assert seen == {True, False}


def refused(work: Callable[[], object]) -> str:
    """What it is refused with, in one line."""
    try:
        work()
    except VectorIndexError as error:
        return str(error)
    return "nothing was refused"


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
def test_files_that_may_be_no_larger(tmp_path: Path, work: Work, share: float) -> None:
    """What such a process is told is what a full disk tells."""
    work(tmp_path / "whole")
    largest = max(file.stat().st_size for file in (tmp_path / "whole").iterdir())
    shutil.rmtree(tmp_path / "whole")

    def limited() -> str:
        size = max(int(largest * share), 1 << 16)  # SQLite reads with a file of half of that
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return refused(lambda: work(tmp_path / "new"))

    told = in_child(limited)
    assert told.startswith(str(tmp_path / "new"))
    assert "\n" not in told
    assert list(tmp_path.iterdir()) == []
    work(tmp_path / "new")
    assert whole(tmp_path / "new") >= COUNT


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a disk")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("free", [0, 8, 100, 400])
@pytest.mark.filterwarnings("ignore::youtu_st.errors.IndexWarning")
def test_a_disk_that_is_full(small_disk: Path, work: Work, free: int) -> None:
    ballast = small_disk / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        with suppress(OSError):
            while file.write(bytes(1 << 12)):
                pass
        file.truncate(file.tell() - (free << 10))
    told = refused(lambda: work(small_disk / "new"))
    assert told.startswith(str(small_disk / "new"))
    assert "\n" not in told
    assert list(small_disk.iterdir()) == [ballast]
    ballast.unlink()
    work(small_disk / "new")
    assert whole(small_disk / "new") >= COUNT


def test_what_somebody_living_is_making_stays(tmp_path: Path, sources: Path) -> None:
    """Two at once into one place: the second sweeps away what the dead left, and not the first one's work."""
    dead = tmp_path / ".new.0123456789abcdef.new"
    others = [
        tmp_path / name for name in (".new.0123456789abcdef", ".old.0123456789abcdef.new", ".new.x.new")
    ]
    for path in (dead, *others):
        path.mkdir()
        (path / "documents.sqlite").touch()
    (tmp_path / ".new.0000000000000000.new").symlink_to(others[0])
    before = sorted(path.name for path in tmp_path.iterdir())
    begun: list[int] = []

    def meanwhile(*told: object) -> None:
        if not begun:
            begun.append(1)
            with pytest.raises(ZeroDivisionError):
                import_index(
                    open_source(sources / "t.jsonl"),
                    tmp_path / "new",
                    ENCODER,
                    report=lambda what, *told: 1 / (what != "writing"),
                )
            assert not dead.exists()

    merge_indexes([sources / "one", sources / "two"], tmp_path / "new", report=meanwhile)
    assert begun
    assert whole(tmp_path / "new") > COUNT
    after = sorted(path.name for path in tmp_path.iterdir())
    assert after == sorted({*before, "new"} - {dead.name})
    assert (others[0] / "documents.sqlite").exists()
