"""Who encodes what: one of many at once, nobody after a death, and no file stays."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from job_folders import job, names_in, said, started, write

from youtu_st.errors import InputError
from youtu_st.scale.job import claims
from youtu_st.scale.job.folder import JobFolder

HOLDER = """
from youtu_st.scale.job.folder import JobFolder
folder = JobFolder.open(sys.argv[1])
claim = folder.claim(int(sys.argv[2]))
print(claim is not None, flush=True)
if sys.stdin.readline() == "release\\n":
    claim.release()
    print("released", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder.create(tmp_path / "out", job(3))


def test_what_a_process_claims_no_other_gets_until_it_lets_go(folder: JobFolder) -> None:
    with started(HOLDER, folder.path, 1) as other:
        assert said(other) == "True"
        assert folder.claim(1) is None
        assert folder.claimed() == {1}
        assert os.listdir(folder.vectors) == [".part-00001.claim"]
        mine = folder.claim(2)
        assert mine.sure
        assert folder.claimed() == {1, 2}
        mine.release()
        mine.release()
        other.stdin.write("release\n")
        other.stdin.flush()
        assert said(other) == "released"
        assert os.listdir(folder.vectors) == []
        with folder.claim(1):
            assert folder.claimed() == {1}
        other.stdin.close()
    assert folder.claimed() == set()


def test_what_a_killed_process_claimed_is_free_at_once(folder: JobFolder) -> None:
    with started(HOLDER, folder.path, 1) as other:
        assert said(other) == "True"
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert os.listdir(folder.vectors) == [".part-00001.claim"]
        assert folder.claimed() == set()
        with folder.claim(1) as claim:
            assert claim is not None
        assert os.listdir(folder.vectors) == []


def test_a_stopped_process_still_has_its_claim(folder: JobFolder) -> None:
    with started(HOLDER, folder.path, 1) as other:
        assert said(other) == "True"
        other.send_signal(signal.SIGSTOP)
        assert folder.claim(1) is None
        assert folder.sweep() == 0
        other.kill()


def test_twice_in_one_process_is_once(folder: JobFolder) -> None:
    with folder.claim(0):
        assert folder.claim(0) is None
    with folder.claim(0) as again:
        assert again is not None


def test_a_shard_that_is_there_is_not_claimed(folder: JobFolder) -> None:
    write(folder, 0)
    assert folder.claim(0) is None
    assert os.listdir(folder.vectors) == ["part-00000.parquet"]


def test_of_many_who_claim_one_after_the_other_never_two_have_it(folder: JobFolder) -> None:
    inside, most, taken = [0], [0], [0]
    end = time.monotonic() + 2

    def run() -> None:
        while time.monotonic() < end:
            claim = claims.acquire(folder.vectors / ".part-00000.claim")
            if claim is None:
                continue
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            taken[0] += 1
            time.sleep(0.0005)
            inside[0] -= 1
            claim.release()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert taken[0] > 50
    assert os.listdir(folder.vectors) == []


RACER = """
import os, time
from pathlib import Path
from youtu_st.scale.job import claims
path, inside = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
taken = 0
end = time.monotonic() + 2
while time.monotonic() < end:
    claim = claims.acquire(path)
    if claim is None:
        continue
    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # two who are in here at once: an error
    taken += 1
    os.unlink(inside)
    claim.release()
print(taken, flush=True)
"""


def test_of_processes_that_claim_at_once_never_two_have_it(tmp_path: Path) -> None:
    processes = [started(RACER, tmp_path / ".part-00000.claim", tmp_path / "inside") for _ in range(4)]
    for process in processes:
        assert said(process) == "ready"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    taken = [int(said(process)) for process in processes]
    assert [process.wait(30) for process in processes] == [0] * 4
    assert sum(taken) > 20
    assert os.listdir(tmp_path) == []


def test_two_processes_share_the_shards_of_a_job_and_write_each_once(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path / "out", job(40))
    code = """
from job_folders import write
from youtu_st.scale.job.folder import JobFolder
folder = JobFolder.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for shard in folder.open_shards():
    claim = folder.claim(shard.number)
    if claim is not None:
        with claim:
            write(folder, shard.number)
            print(shard.number, flush=True)
print("end", flush=True)
"""
    processes = [started(code, folder.path) for _ in range(2)]
    for process in processes:
        assert said(process) == "ready"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    written = [int(line) for process in processes for line in iter(lambda p=process: said(p), "end")]
    assert [process.wait(30) for process in processes] == [0] * 2
    assert sorted(written) == list(range(40))
    assert folder.done() == set(range(40))
    assert folder.damaged(deep=True) == {}
    assert len(os.listdir(folder.vectors)) == 40


def test_sweeping_removes_what_the_dead_left_and_nothing_else(folder: JobFolder) -> None:
    write(folder, 0)
    left = [
        ".part-00001.claim",
        ".part-00001.parquet.0123456789abcdef",
        ".part-123456.parquet.ffffffffffffffff",
    ]
    others = [".part-1.claim", ".part-00001.parquet.tmp", ".part-00001.parquet.0123", "notes.txt", ".hidden"]
    for name in left + others:
        (folder.vectors / name).write_bytes(b"x")
    for name in (".job.json.0123456789abcdef", ".rejected.jsonl.0123456789abcdef", ".job.json.claim"):
        (folder.path / name).touch()
    with folder.claim(2), claims.temporary(folder.shard_path(2)) as living:
        assert folder.sweep() == 6
        assert living.path.exists()
        assert folder.claimed() == {2}
        assert sorted(os.listdir(folder.vectors)) == sorted(
            [*others, "part-00000.parquet", ".part-00002.claim", living.path.name]
        )
    assert names_in(folder.path) == sorted(
        ["job.json", "vectors", *(f"vectors/{name}" for name in [*others, "part-00000.parquet"])]
    )


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_every_claim_is_granted(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_locks(descriptor: int, *, shared: bool) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(claims, "_lock", no_locks)
    first, second = folder.claim(1), folder.claim(1)
    assert not first.sure
    assert not second.sure
    assert folder.claimed() == {1}  # for all that is known
    assert folder.sweep() == 0  # a day has to pass
    write(folder, 1)
    write(folder, 1)
    first.release()
    second.release()
    assert os.listdir(folder.vectors) == ["part-00001.parquet"]

    old = folder.vectors / ".part-00002.parquet.0123456789abcdef"
    old.touch()
    os.utime(old, (0, 0))
    assert folder.sweep() == 1


def test_a_fault_of_the_lock_itself_is_told(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int, *, shared: bool) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(claims, "_lock", broken)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Input/output error"):
        folder.claim(1)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
def test_what_goes_by_a_claims_name_and_is_no_file_is_refused(
    folder: JobFolder, tmp_path: Path, kind: str
) -> None:
    path = folder.vectors / ".part-00001.claim"
    victim = tmp_path / "victim"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        if kind == "link":
            victim.write_text("mine")
        path.symlink_to(victim)
    before = len(os.listdir("/proc/self/fd"))
    for call in (lambda: folder.claim(1), folder.sweep, folder.claimed):
        with pytest.raises(InputError, match=r"\.part-00001\.claim is no plain file"):
            call()
    assert len(os.listdir("/proc/self/fd")) == before
    assert victim.exists() == (kind == "link")


def test_the_folder_of_the_vectors_is_made_where_it_is_gone(folder: JobFolder) -> None:
    folder.vectors.rmdir()
    assert folder.done() == set()
    with folder.claim(1):
        write(folder, 1)
    assert folder.done() == {1}


def test_a_temporary_file_that_is_taken_away_is_written_again(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from youtu_st.scale.job import facts

    sealed, taken = facts.seal, []

    def take_away(path: Path, placeholder: str) -> None:
        sealed(path, placeholder)
        if not taken:  # as another node would, whose locks are its own
            taken.append(path)
            path.unlink()

    monkeypatch.setattr(facts, "seal", take_away)
    write(folder, 1)
    assert len(taken) == 1
    assert folder.check(1, deep=True) is None
    assert os.listdir(folder.vectors) == ["part-00001.parquet"]
