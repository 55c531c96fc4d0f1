"""One writer, many readers: locks, other processes, threads."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import IndexLockedError
from youtu_st.index import VectorIndex


def test_a_second_writer_is_refused_and_readers_go_on(tmp_path: Path, index: VectorIndex) -> None:
    index.add(["one"], ["a"])
    with VectorIndex.open(tmp_path / "index", TinyEncoder()) as other:
        encoder = other.encoder
        for write in (lambda: other.add(["two"]), lambda: other.delete(["a"]), other.train):
            with pytest.raises(
                IndexLockedError, match=r"index.*is being written by another process or object"
            ):
                write()
        assert encoder.encoded == []  # type: ignore[attr-defined]  # refused before the work
        assert other.search("one", k=1)[0].id == "a"
        index.add(["two"], ["b"])
        assert [document and document.text for document in other.get(["a", "b"])] == ["one", "two"]
        assert other.search("two", k=1)[0].id == "b"
        index.delete(["a"])
        assert [hit.id for hit in other.search("one", k=5)] == ["b"]
        index.close()  # folds the files that the reader has open
        assert [hit.id for hit in other.search("one", k=5)] == ["b"]
        other.add(["three"], ["c"])  # and frees the lock
        assert other.ids() == ["b", "c"]


def test_another_process_writes_and_this_one_reads(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from tiny import TinyEncoder; from youtu_st.index import VectorIndex\n"
        "index = VectorIndex.open(sys.argv[1], TinyEncoder())\n"
        "for line in sys.stdin:\n"
        "    word, *ids = line.split()\n"
        "    if word == 'add': index.add([f'text {id}' for id in ids], ids)\n"
        "    if word == 'delete': index.delete(ids)\n"
        "    if word == 'close': index.close(); index = VectorIndex.open(sys.argv[1], TinyEncoder())\n"
        "    print('done', flush=True)\n"
    )
    path = tmp_path / "index"
    reader = VectorIndex.create(path, TinyEncoder())
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(path), str(Path(__file__).parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdin is not None
    assert writer.stdout is not None

    def tell(line: str) -> None:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(line + "\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "done\n"

    tell("add 1 2 3")
    assert reader.search("text 2", k=1)[0].id == "2"
    with pytest.raises(IndexLockedError):
        reader.delete(["1"])
    tell("delete 2")
    assert {hit.id for hit in reader.search("text 2", k=9)} == {"1", "3"}
    tell("close")
    tell("add 3 4")
    assert reader.ids() == ["1", "3", "4"]
    assert len(reader.search("text 2", k=9)) == 3
    writer.kill()  # the system frees the lock
    writer.communicate()
    reader.add(["text 5"], ["5"])
    assert reader.ids() == ["1", "3", "4", "5"]
    reader.close()


@pytest.mark.slow
def test_readers_are_never_torn_while_a_writer_folds(tmp_path: Path) -> None:
    """The writer keeps exactly ten documents of one version; a reader must never see a mixture."""
    encoder, path = TinyEncoder(), tmp_path / "index"
    ids = [str(i) for i in range(10)]
    with VectorIndex.create(path, encoder) as index:
        index.add(["version 0"] * 10, ids)
    reader, stop, seen = VectorIndex.open(path, encoder), threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            hits = reader.search("version", k=50)
            (text,) = {hit.text for hit in hits}
            assert sorted(hit.id for hit in hits) == ids
            vector = encoder.encode_document([text])[0]
            query = encoder.encode_query(["version"])[0]
            assert hits[0].score == pytest.approx(float(vector @ query), abs=1e-6)
            seen.add(text)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for version in range(1, 60):
            with VectorIndex.open(path, encoder) as writer:  # each close folds into a new generation
                writer.add([f"version {version}"] * 10, ids)
        stop.set()
        reading.result()
    reader.close()
    assert len(seen) > 5


def test_eight_threads_search_while_one_adds(index: VectorIndex, encoder: TinyEncoder) -> None:
    index.add([f"text {i}" for i in range(20)], [str(i) for i in range(20)])
    done = threading.Event()

    def search(thread: int) -> int:
        count = 0
        while not done.is_set() or not count:
            number = (thread * 7 + count) % 20
            hits = index.search(f"text {number}", k=3)
            assert hits[0].id == str(number)
            assert len(hits) == 3
            count += 1
        return count

    with ThreadPoolExecutor(8) as pool:
        searches = [pool.submit(search, thread) for thread in range(8)]
        for i in range(20, 200, 5):
            ids = [str(j) for j in range(i, i + 5)]
            index.add([f"text {id}" for id in ids], ids)
            index.delete(ids[:1])
        done.set()
        assert all(one.result() > 0 for one in searches)
    assert len(index) == 20 + 36 * 4
    alive = index.ids()
    np.testing.assert_allclose(
        index.vectors(alive), encoder.encode_document([f"text {id}" for id in alive]), atol=1e-6
    )


def test_a_writer_may_be_closed_by_another_thread(tmp_path: Path, index: VectorIndex) -> None:
    index.add(["one"])
    thread = threading.Thread(target=index.close)
    thread.start()
    thread.join()
    with VectorIndex.open(tmp_path / "index", TinyEncoder()) as other:
        other.add(["two"])
        assert len(other) == 2


def test_two_threads_write_through_one_object(index: VectorIndex) -> None:
    def write(thread: int) -> None:
        for i in range(10):
            index.add([f"{thread} {i}"], [f"{thread}-{i}"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert sorted(index.ids()) == sorted(f"{thread}-{i}" for thread in range(4) for i in range(10))
    assert all(index.search(f"{t} {i}", k=1)[0].id == f"{t}-{i}" for t in range(4) for i in range(10))
