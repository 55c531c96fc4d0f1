"""Kills, full disks and folders that nobody may write to: what was there stays, whole, and nothing else."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_folders import ids_of, job, kept_of, names_in, said, started, unit, write

from youtu_st.errors import InputError
from youtu_st.scale.job.folder import JobFolder, has_job
from youtu_st.scale.job.rejected import write_rejected
from youtu_st.scale.job.room import check_room, is_full, room
from youtu_st.scale.job.status import status

WRITER = """
from job_folders import job, write
from youtu_st.scale.job.folder import JobFolder
folder = JobFolder.create(sys.argv[1], job(400))
print("ready", flush=True)
while True:
    for shard in folder.open_shards():
        claim = folder.claim(shard.number)
        if claim is not None:
            with claim:
                write(folder, shard.number)
    for number in folder.done():
        folder.shard_path(number).unlink()
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_whole_shards_and_what_is_swept(tmp_path: Path) -> None:
    draw = random.Random(7)
    under_way = 0
    for _ in range(30):
        with started(WRITER, tmp_path / "out") as writer:
            assert said(writer) == "ready"
            time.sleep(draw.random() * 0.2)
            writer.kill()
        folder = JobFolder.open(tmp_path / "out")
        left = [name for name in os.listdir(folder.vectors) if name.startswith(".")]
        under_way += len(left) > 0
        assert len(left) <= 2  # a claim, and the file under way
        assert folder.damaged(deep=True) == {}
        assert folder.sweep() == len(left)
        assert all(name.startswith("part-") for name in os.listdir(folder.vectors))
    assert under_way > 5  # else nothing was interrupted


KILLED = """
import os, pathlib, signal
from job_folders import job, write
from youtu_st import disk
from youtu_st.scale.job import facts
from youtu_st.scale.job.folder import JobFolder
out, at = sys.argv[1:]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
def then_die(real):
    def run(*arguments, **named):
        real(*arguments, **named)
        die()
    return run
def half(path, content):
    with open(path, "wb") as file:
        file.write(content[: len(content) // 2])
    die()
if at == "half a job": pathlib.Path.write_bytes = half
if at == "before the link": os.link = die
if at == "after the link": os.link = then_die(os.link)
folder = JobFolder.create(out, job(2))
claim = folder.claim(1)
if at == "claimed": die()
if at == "written": facts.seal = die
if at == "sealed": facts.seal = then_die(facts.seal)
if at == "before the name": os.replace = die
if at == "named": os.replace = then_die(os.replace)
write(folder, 1)
"""


@pytest.mark.parametrize("at", ["half a job", "before the link", "after the link"])
def test_a_kill_while_a_job_begins_leaves_all_of_it_or_none(tmp_path: Path, at: str) -> None:
    with started(KILLED, tmp_path, at) as process:
        assert process.wait(60) == -signal.SIGKILL
    assert has_job(tmp_path) == (at == "after the link")
    assert any(name.startswith(".job.json.") for name in os.listdir(tmp_path))
    folder = JobFolder.create(tmp_path, job(2))
    assert (len(folder.job.shards), folder.sweep()) == (2, 1)
    assert names_in(tmp_path) == ["job.json", "vectors"]


@pytest.mark.parametrize(
    ("at", "left"), [("claimed", 1), ("written", 2), ("sealed", 2), ("before the name", 2), ("named", 1)]
)
def test_a_kill_on_the_way_to_a_shard_leaves_it_open_or_done(tmp_path: Path, at: str, left: int) -> None:
    with started(KILLED, tmp_path, at) as process:
        assert process.wait(60) == -signal.SIGKILL
    folder = JobFolder.open(tmp_path)
    assert folder.done() == ({1} if at == "named" else set())
    assert folder.claimed() == set()
    assert folder.damaged(deep=True) == {}
    if at != "named":
        with folder.claim(1):
            write(folder, 1)
    assert folder.sweep() == (left if at == "named" else left - 1)
    assert names_in(folder.vectors) == ["part-00001.parquet"]
    assert folder.check(1, deep=True) is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a disk")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_fills_up_and_has_room_again(small_disk: Path) -> None:
    folder = JobFolder.create(small_disk / "out", job(2))
    ballast = small_disk / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        file.write(bytes(1 << 21))  # as much as there is room for
    with folder.claim(0), pytest.raises(OSError, match="No space left") as caught:
        write(folder, 0)
    assert is_full(caught.value)
    assert os.listdir(folder.vectors) == []
    with pytest.raises(InputError, match="cannot be written to: No space left on device"):
        JobFolder.create(small_disk / "another", job(2))
    assert names_in(small_disk / "another") in ([], ["vectors"])
    with pytest.raises(InputError, match=r"out needs about 9\.1 kB, and its disk has 0 bytes free"):
        check_room(folder)

    ballast.unlink()
    check_room(folder)
    with folder.claim(0):
        write(folder, 0)
    assert folder.check(0, deep=True) is None
    assert JobFolder.create(small_disk / "another", job(2)).done() == set()


def test_a_disk_that_fills_up_in_the_middle_of_a_shard(small_disk: Path) -> None:
    rows = 60_000
    folder = JobFolder.create(small_disk / "out", job(2, rows))
    with pytest.raises(OSError, match="No space left") as caught:
        folder.write(1, ids=ids_of(1, rows), vectors=unit(rows), kept=_kept(rows))
    assert is_full(caught.value)
    assert names_in(folder.vectors) == []


LIMITED = """
import errno, resource, signal
from job_folders import job, write
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.job.room import is_full
folder = JobFolder.open(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write(folder, 0)
except OSError as error:
    print(error.errno == errno.EFBIG, is_full(error), flush=True)
"""


def test_a_file_that_may_not_be_so_long(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path, job(1))
    with started(LIMITED, tmp_path) as process:
        assert said(process) == "True True"
    assert names_in(folder.vectors) == []


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[JobFolder]:
    """A job of two shards, one of which is there, that root may not write to either."""
    out = tmp_path / "out"
    write(JobFolder.create(out, job(2)), 0)
    bound = ["mount", "--bind", str(out), str(out)]
    if subprocess.run(bound, capture_output=True).returncode:
        pytest.skip("only root may mount a folder")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(out)], check=True)
        yield JobFolder.open(out)
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_a_folder_that_may_be_read_only(read_only: JobFolder) -> None:
    folder = read_only
    assert folder.done() == {0}
    assert folder.damaged(deep=True) == {}
    assert status(folder).done == 1
    assert folder.facts(0).rows == 4
    assert room(folder).needed > 0
    for call in (lambda: folder.claim(1), lambda: write(folder, 1), lambda: write_rejected(folder)):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.EROFS
    assert len(JobFolder.create(folder.path, job(2)).job.shards) == 2
    with pytest.raises(InputError, match="out/below cannot be written to: Read-only file system"):
        JobFolder.create(folder.path / "below", job(2))


def _kept(rows: int):
    import pyarrow as pa

    one = kept_of(1)
    return pa.table({"year": [1] * rows, "tags": [["a"]] * rows}, schema=one.schema)
