"""A forked child has the parent's memory, and none of its locks, connections and files."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import IndexLockedError
from youtu_st.index import VectorIndex

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]
ENCODER = TinyEncoder()
SECONDS = 60


def in_child(work: Callable[[], Any]) -> Any:
    """What ``work`` gives in a forked child; a child that hangs is killed, and is a failure."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(reading)
            os.write(writing, json.dumps(work()).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    os.close(writing)
    end = time.monotonic() + SECONDS
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.002)
    answer = os.read(reading, 1 << 16)  # not to its end: a child of the child may hold the other one
    os.close(reading)
    assert done[1] == 0, "the child failed"
    return json.loads(answer)


def texts(first: int, last: int) -> list[str]:
    return [f"text {i}" for i in range(first, last)]


def found(index: VectorIndex) -> list[str]:
    """Every document's text, after a look at whether each is found by its own vector."""
    documents = [document for document in index.get(index.ids()) if document]
    vectors = ENCODER.encode_document([document.text for document in documents])
    hits = index.search_many(vectors, k=1)
    assert [hit[0].text for hit in hits] == [document.text for document in documents]
    return [document.text for document in documents]


@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF2,Flat"])
def test_a_child_that_leaves_the_with_block_harms_nothing(tmp_path: Path, factory: str) -> None:
    """What damaged 12 indexes of 12: the child folds and closes what is the parent's."""
    path = tmp_path / "index"

    def leave() -> str:
        index.__exit__()
        return "left"

    with VectorIndex.create(path, ENCODER, factory) as index:
        index.add(texts(0, 90), [str(i) for i in range(90)])
        assert in_child(leave) == "left"
        index.add(texts(90, 100), [str(i) for i in range(90, 100)])
        assert in_child(leave) == "left"
        index.delete(["5"])
        assert found(index) == [text for text in texts(0, 100) if text != "text 5"]
    with VectorIndex.open(path, ENCODER) as index:
        assert found(index) == [text for text in texts(0, 100) if text != "text 5"]


def test_a_child_reads_what_the_parent_commits_later(tmp_path: Path) -> None:
    index = VectorIndex.create(tmp_path / "index", ENCODER)
    index.add(texts(0, 10))
    go, ready = os.pipe()

    def read() -> list[list[str]]:
        first = found(index)
        os.read(go, 1)
        return [first, found(index), found(VectorIndex.open(tmp_path / "index", ENCODER))]

    answer: list[Any] = []
    thread = threading.Thread(target=lambda: answer.extend(in_child(read)))
    thread.start()
    time.sleep(0.5)
    index.add(texts(10, 30))
    index.delete([index.ids()[0]])
    os.write(ready, b"x")
    thread.join()
    assert answer == [texts(0, 10), texts(1, 30), texts(1, 30)]
    assert found(index) == texts(1, 30)
    index.close()


def test_a_child_cannot_write_while_the_parent_does(tmp_path: Path) -> None:
    index = VectorIndex.create(tmp_path / "index", ENCODER)
    index.add(texts(0, 3))

    def write() -> str:
        try:
            index.add(["from the child"])
        except IndexLockedError as error:
            return str(error)
        return "written"

    assert "is being written by another process" in in_child(write)
    index.add(texts(3, 5))
    assert found(index) == texts(0, 5)
    index.close()
    with VectorIndex.open(tmp_path / "index", ENCODER) as reader:
        assert found(reader) == texts(0, 5)

        def write_as_only_one() -> str:
            with reader as index:
                index.add(["from the child"], ["child"])
            return "written"

        assert in_child(write_as_only_one) == "written"
        assert found(reader) == [*texts(0, 5), "from the child"]


def test_a_dead_parent_leaves_no_lock_with_its_child(tmp_path: Path) -> None:
    """The lock goes with the process that took it, though a child lives on."""
    path = tmp_path / "index"
    VectorIndex.create(path, ENCODER).close()
    hold, release = os.pipe()

    def parent() -> int:
        index = VectorIndex.open(path, ENCODER)
        index.add(texts(0, 2))
        child = os.fork()
        if not child:
            os.read(hold, 1)
            os._exit(0)
        return child

    child = in_child(parent)
    try:
        os.kill(child, 0)  # it is alive
        with VectorIndex.open(path, ENCODER) as index:
            index.add(texts(2, 4))
            assert found(index) == texts(0, 4)
    finally:
        os.write(release, b"x")


@pytest.mark.parametrize("factory", ["Flat", "HNSW16"])
def test_forks_while_threads_work(tmp_path: Path, factory: str) -> None:
    """The lock is held by another thread at the fork, the table half way to another state."""
    index = VectorIndex.create(tmp_path / "index", ENCODER, factory)
    index.add(texts(0, 50))
    going, query = True, np.ones(16) / 4

    def everything() -> list[str]:
        """In one look, as the parent goes on writing: each document with its own vector."""
        hits = index.search(query, k=1000)
        expected = ENCODER.encode_document([hit.text for hit in hits]) @ query
        np.testing.assert_allclose([hit.score for hit in hits], expected, atol=1e-6)
        return [hit.text for hit in hits]

    def write() -> None:
        for number in range(10**6):
            if not going:
                return
            index.add([f"more {number}"], [f"more {number % 20}"])

    def read() -> None:
        while going:
            index.search(query, k=3)

    threads = [threading.Thread(target=work) for work in (write, read)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(15):
            time.sleep(0.01)
            answer = in_child(everything)
            assert set(texts(0, 50)) <= set(answer)
            assert len(answer) <= 70
    finally:
        going = False
        for thread in threads:
            thread.join()
    answer = found(index)
    index.close()
    with VectorIndex.open(tmp_path / "index", ENCODER) as index:
        assert found(index) == answer


def test_a_child_that_ends_touches_nothing(tmp_path: Path) -> None:
    """It ends as programs do, by taking its objects down; the log behind a killed writer must outlive it."""
    path = tmp_path / "index"
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from tiny import TinyEncoder
from youtu_st.index import VectorIndex
index = VectorIndex.create({str(path)!r}, TinyEncoder())
index.add(["a"], ["a"])
child = os.fork()
if not child:
    sys.exit()
os.waitpid(child, 0)
index.add(["b"], ["b"])
os.kill(os.getpid(), signal.SIGKILL)
"""
    import subprocess

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-9, "")
    with VectorIndex.open(path, ENCODER) as index:
        assert found(index) == ["a", "b"]
