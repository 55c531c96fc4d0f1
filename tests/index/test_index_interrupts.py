"""Ctrl-C at any line: an exception raised at every line that an operation runs, one after the other."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

import numpy as np
import pytest
from tiny import TinyEncoder

import youtu_st.disk
import youtu_st.index
from youtu_st.errors import VectorIndexError
from youtu_st.index import VectorIndex, check_index, repair_index
from youtu_st.index.filtering import filters

ENCODER = TinyEncoder()
FACTORIES = ["Flat", "HNSW16", "IVF2,Flat"]
OURS = (str(Path(youtu_st.index.__file__).parent), youtu_st.disk.__file__)

Documents = dict[str, str]
Work = Callable[[VectorIndex], object]


class Line(KeyboardInterrupt):
    """What is raised."""


def interrupted(work: Callable[[], object], line: int, *, everywhere: bool = False) -> bool:
    """Run ``work``, with an interrupt at its ``line``-th line in the index; False if it had fewer."""
    left = line

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if not (everywhere or frame.f_code.co_filename.startswith(OURS)):
            return None
        if event == "line":
            left -= 1
            if not left:
                raise Line
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except Line:
        return True
    finally:
        sys.settrace(before)
    return not left  # it fell where an error is swallowed: nothing is lost by that


def look(index: VectorIndex) -> Documents:
    """Every document, after checking that each has its own vector, and is found by it."""
    ids = index.ids()
    documents = [document for document in index.get(ids) if document]
    assert [document.id for document in documents] == ids
    vectors = ENCODER.encode_document([document.text for document in documents])
    np.testing.assert_array_equal(index.vectors(ids), vectors)
    assert [hits[0].id for hits in index.search_many(vectors, k=1)] == ids
    assert len(index.search(np.ones(16), k=1000)) == len(index) == len(ids)
    return {document.id: document.text for document in documents}


def store(index: VectorIndex, documents: Documents) -> Documents:
    index.add(list(documents.values()), list(documents))
    return documents


def named(first: int, last: int, version: str = "") -> Documents:
    return {f"id {i}": f"text {i}{version}" for i in range(first, last)}


@pytest.fixture
def path() -> Iterator[Path]:
    """In memory, where there is such a place: waiting for a disk is not what is tested here."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder, "index")


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each factory a directory with a snapshot, a journal, and dead vectors in both."""
    made = {}
    for factory in FACTORIES:
        path = tmp_path_factory.mktemp("template") / "index"
        with VectorIndex.create(path, ENCODER, factory) as index:
            store(index, named(0, 76))
        index = VectorIndex.open(path, ENCODER)
        store(index, named(70, 77, " changed"))
        index.delete(["id 3", "id 4"])
        made[factory] = path.with_name("copy")
        shutil.copytree(path, made[factory])
        index.close()
    return made


BEFORE = {**named(0, 70), **named(70, 77, " changed")}
del BEFORE["id 3"], BEFORE["id 4"]


def without(*ids: str) -> Documents:
    return {id: text for id, text in BEFORE.items() if id not in ids}


EVERY = pytest.mark.parametrize(
    ("step", "everywhere"),
    [
        pytest.param(1, False, marks=[pytest.mark.slow, pytest.mark.long], id="every line"),
        pytest.param(7, True, marks=[pytest.mark.slow, pytest.mark.long], id="other packages' lines too"),
        pytest.param(97, True, marks=pytest.mark.slow, id="some of other packages' lines"),
        pytest.param(13, False, id="every 13th line"),
    ],
)


def lines(step: int, factory: str) -> Iterator[int]:
    """The lines to stop at: other ones for another factory."""
    return iter(range(1 + FACTORIES.index(factory) % step, 100_000, step))


# 78 vectors are what IVF2 is trained on, inside ``add``.
OPERATIONS: dict[str, tuple[Work, Documents]] = {
    "add": (lambda index: store(index, named(100, 101)), {**BEFORE, **named(100, 101)}),
    "add, train or grow": (lambda index: store(index, named(100, 110)), {**BEFORE, **named(100, 110)}),
    "replace": (
        lambda index: store(index, named(0, 60, " new")),
        {**without(*named(0, 60)), **named(0, 60, " new")},
    ),
    "delete": (lambda index: index.delete(["id 5", "id 75", "nobody"]), without("id 5", "id 75")),
    "search": (lambda index: index.search("text 9", k=3), BEFORE),
    "hybrid": (lambda index: index.search("text 9", k=3, filter={"none": None}, mode="hybrid"), BEFORE),
}


def check(index: VectorIndex, path: Path, allowed: list[Documents]) -> None:
    """Use the object on, close it, open it again."""
    found = look(index)
    assert found in allowed
    found = {**found, **store(index, {"id 9": "another text", "later": "one more"})}
    index.delete(["id 10"])
    found.pop("id 10", None)
    assert look(index) == found
    index.close()
    with VectorIndex.open(path, ENCODER) as again:
        assert look(again) == found
        store(again, {"last": "the last"})
        assert look(again) == {**found, "last": "the last"}
    assert check_index(path).damage == ()  # every word stands where the documents have it


def hunt(
    template: Path, path: Path, work: Work, after: Documents, at: Iterator[int], everywhere: bool
) -> int:
    """Interrupt one line after the other; returns how many there were."""
    count = 0
    for line in at:
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(template, path)
        index = VectorIndex.open(path, ENCODER)
        stopped = interrupted(lambda index=index: work(index), line, everywhere=everywhere)  # type: ignore[misc]
        check(index, path, [BEFORE, after] if stopped else [after])
        if not stopped:
            break
        count += 1
    return count


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
@EVERY
@pytest.mark.parametrize("factory", FACTORIES)
def test_an_interrupt_at_every_line_of_an_operation(
    templates: dict[str, Path], path: Path, factory: str, operation: str, step: int, everywhere: bool
) -> None:
    work, after = OPERATIONS[operation]
    count = hunt(templates[factory], path, work, after, lines(step, factory), everywhere)
    assert count > 50 / step


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("factory", FACTORIES)
def test_an_interrupt_at_every_line_of_open(
    templates: dict[str, Path], path: Path, factory: str, step: int, everywhere: bool
) -> None:
    opened: list[VectorIndex] = []
    # It runs several times as many as an operation does.
    for line in lines(step if step == 1 else 3 * step, factory):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(templates[factory], path)
        if not interrupted(
            lambda: opened.append(VectorIndex.open(path, ENCODER)), line, everywhere=everywhere
        ):
            break
        check(VectorIndex.open(path, ENCODER), path, [BEFORE])
    assert line > 100
    opened[-1].close()


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("factory", FACTORIES)
def test_an_interrupt_at_every_line_of_close(
    templates: dict[str, Path], path: Path, factory: str, step: int, everywhere: bool
) -> None:
    for line in lines(step, factory):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(templates[factory], path)
        index = VectorIndex.open(path, ENCODER)
        after = {**BEFORE, **store(index, {"new": "a new text"})}
        stopped = interrupted(index.close, line, everywhere=everywhere)
        try:
            assert look(index) == after
        except VectorIndexError as error:
            assert "is closed" in str(error)
        index.close()
        check(VectorIndex.open(path, ENCODER), path, [after])
        if not stopped:
            break
    assert line > 100


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("factory", FACTORIES)
def test_an_interrupt_at_every_line_of_create(path: Path, factory: str, step: int, everywhere: bool) -> None:
    made: list[VectorIndex] = []
    for line in lines(step, factory):
        shutil.rmtree(path, ignore_errors=True)
        if not interrupted(
            lambda: made.append(VectorIndex.create(path, ENCODER, factory)), line, everywhere=everywhere
        ):
            break
        try:
            index = VectorIndex.create(path, ENCODER, factory)
        except VectorIndexError as error:  # it was there already
            assert "holds an index already" in str(error)
            index = VectorIndex.open(path, ENCODER)
        assert look(index) == {}
        store(index, {"new": "a new text"})
        assert look(index) == {"new": "a new text"}
        index.close()
    assert line > 100
    made[-1].close()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals as POSIX has them")
@pytest.mark.parametrize("factory", FACTORIES)
def test_real_interrupts(templates: dict[str, Path], path: Path, factory: str) -> None:
    """Signals at any moment, in Python or below it, while one object is used on and on."""
    chance, stopped = random.Random(5), 0
    seconds: list[float] = []  # of the first operations, which nothing stops
    shutil.copytree(templates[factory], path)
    index, documents = VectorIndex.open(path, ENCODER), BEFORE

    def stop(*_: object) -> None:
        raise Line

    before = signal.signal(signal.SIGALRM, stop)
    try:
        for number in range(412):
            kind = "add" if len(documents) < 40 else ("add", "replace", "delete")[number % 3]
            new = [f"{number} {i}" for i in range(8)]
            ids, delete = new if kind == "add" else chance.sample(sorted(documents), 8), kind == "delete"
            rest = {id: text for id, text in documents.items() if id not in ids}
            after = rest if delete else {**rest, **{id: f"{id} version {number}" for id in ids}}
            begin = time.perf_counter()
            try:
                if number >= 12:
                    signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, 1.5 * median(seconds)))
                if delete:
                    index.delete(ids)
                else:
                    index.add([after[id] for id in ids], ids)
                signal.setitimer(signal.ITIMER_REAL, 0)
                allowed = [after]
                if number < 12:
                    seconds.append(time.perf_counter() - begin)
            except Line:
                stopped, allowed = stopped + 1, [documents, after]
            found = look(index)
            assert found in allowed
            documents = found
            if number % 50 == 49:
                index.close()
                index = VectorIndex.open(path, ENCODER)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    index.close()
    assert check_index(path).damage == ()
    assert 100 < stopped < 400


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("factory", FACTORIES)
def test_an_interrupt_at_lines_of_a_repair(
    path: Path, templates: dict[str, Path], factory: str, step: int, everywhere: bool
) -> None:
    """The index is where it was, as it was or repaired, and nothing is left beside it but what was damaged."""
    damaged = path.with_name("damaged")
    shutil.copytree(templates[factory], damaged)
    content = bytearray((damaged / "journal-1.f32").read_bytes())
    content[20] ^= 1
    (damaged / "journal-1.f32").write_bytes(content)
    repaired = 0
    for line in lines(5 * step, factory):
        shutil.copytree(damaged, path)
        went_on = interrupted(
            lambda: repair_index(path, lambda manifest: ENCODER), line, everywhere=everywhere
        )
        if check_index(path).damage:
            others = {entry.name for entry in path.parent.iterdir()} - {"damaged", "index"}
            assert all(name.startswith(".index.") for name in others)  # stopped while it tidied up
        else:
            repaired += 1
            with VectorIndex.open(path, ENCODER) as index:
                assert look(index) == BEFORE
            assert check_index(path.with_name("index.damaged")).damage
            shutil.rmtree(path.with_name("index.damaged"))
        shutil.rmtree(path)
        if not went_on:
            break
    assert repaired >= 1


@pytest.mark.parametrize(
    "filter", [{"$icontains": "a"}, {"n": {"$isubstring": "a"}}, {"n": {"$lt": date(2024, 5, 1)}}]
)
def test_ctrl_c_in_a_function_of_a_filter_is_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filter: dict[str, Any]
) -> None:
    """SQLite keeps to itself what was raised."""

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(filters, "_lower", interrupt)
    monkeypatch.setattr(filters, "instant", lambda value: 0 if isinstance(value, date) else interrupt(value))
    with VectorIndex.create(tmp_path / "index", ENCODER) as index:
        index.add(["a text"], None, [{"n": "a"}])
        for work in (lambda: index.ids(filter), lambda: index.search("a", 1, filter)):
            with pytest.raises(KeyboardInterrupt):
                work()
            assert len(index.search("a")) == 1
