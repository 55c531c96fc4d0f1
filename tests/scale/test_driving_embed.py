"""A job from its beginning to its end, with workers of another kind, and somebody who looks on."""

from __future__ import annotations

import json
import os
import queue
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.scale.pools.events import Event
from youtu_st.scale.running.embed import embed, resume, verify
from youtu_st.scale.running.telling import Progress
from youtu_st.scale.running.watching import Watch
from youtu_st.scale.settings import Columns, Cutting, Making
from youtu_st.scale.work.worker import Worker

TEXTS = [f"The river {'flows ' * (i % 9)}past town {i}." for i in range(120)]
COLUMNS, CUTTING = Columns(id="key"), Cutting(tokens=200)


class OneThread:
    """A pool of one worker in this process, with an encoder that is there already."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        assert folder.is_absolute()
        self.handed: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.told: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.places, self.closed = 2, False
        self.thread = threading.Thread(target=self.work, args=(folder, encoder))
        self.thread.start()

    def work(self, folder: Path, encoder: Encoder) -> None:
        worker = Worker(folder, Making(), encoder=encoder)
        for event in worker.run(self.shards()):
            self.told.put(event)
        worker.close()

    def shards(self) -> Iterator[int | None]:
        while True:
            try:
                shard = self.handed.get(timeout=0.05)
            except queue.Empty:
                yield None
                continue
            if shard is None:
                return
            yield shard

    def open_places(self) -> int:
        return self.places

    def submit(self, shard: int) -> None:
        self.places -= 1
        self.handed.put(shard)

    def wait(self, seconds: float) -> list[Event]:
        try:
            event = self.told.get(timeout=seconds)
        except queue.Empty:
            return []
        self.places += 1
        return [event]

    def workers(self) -> int:
        return 1

    def close(self, *, now: bool = False) -> None:
        if not self.closed:
            self.closed = True
            self.handed.put(None)
            self.thread.join(60)


class Looker(Watch):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.waits: list[str] = []
        self.steps: list[Progress] = []
        self.closed = 0

    def say(self, kind: str, line: str) -> None:
        self.lines.append((kind, line))

    def waiting(self, message: str) -> None:
        self.waits.append(message)

    def progress(self, progress: Progress) -> None:
        self.steps.append(progress)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> Encoder:
    return Encoder(str(tiny))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    lines = [json.dumps({"key": i, "text": text}) for i, text in enumerate(TEXTS)]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    (tmp_path / "image.png").touch()
    return tmp_path


@pytest.mark.slow
def test_workers_of_another_kind_fill_the_folder(corpus: Path, tiny: Path, encoder: Encoder) -> None:
    out, making, looker = corpus / "out", Making(str(tiny)), Looker()
    pools: list[OneThread] = []

    def pool(folder: Path, asked: Making, notice: Callable[[str], None]) -> OneThread:
        assert (folder, asked) == (out.absolute(), making)
        pools.append(OneThread(folder, encoder))
        return pools[-1]

    done = embed([corpus], out, making, columns=COLUMNS, cutting=CUTTING, pool=pool, watch=looker)
    shards = len(list((out / "vectors").iterdir()))
    assert shards > 4
    assert (done.rows, done.shards, done.encoded, done.found, done.left) == (120, shards, shards, 0, 0)
    assert (done.encoded_rows, done.again, done.skipped, done.stopped) == (120, 0, (), False)
    assert done.tokens > 120
    assert done.speed > 0
    table = pq.read_table(out / "vectors")
    order = np.argsort(np.array(table["id"].to_pylist(), dtype=int))
    vectors = np.array(table["vector"].to_pylist(), dtype=np.float32)[order]
    assert np.abs(vectors - encoder.encode_document(TEXTS)).max() < 1e-6

    assert looker.waits[0] == f"loading {tiny} ..."
    assert [(kind, line.split(":")[0]) for kind, line in looker.lines] == [
        ("note", "skipped 1 file of other kinds")
    ]
    first, last = looker.steps[0], looker.steps[-1]
    assert (first.rows, first.all_rows, first.shards, first.all_shards) == (0, 120, 0, shards)
    assert (last.rows, last.shards, last.under_way, last.workers) == (120, shards, 0, 1)
    assert [step.rows for step in looker.steps] == sorted(step.rows for step in looker.steps)
    assert looker.closed
    assert pools[0].closed

    # Nothing is left to do: no pool is made.
    again = embed([corpus], out, making, columns=COLUMNS, cutting=CUTTING, pool=pool, watch=looker)
    assert (again.encoded, again.found, again.rows, again.speed) == (0, shards, 120, 0.0)
    (out / "vectors" / "part-00001.parquet").unlink()
    part = resume(out, pool=pool, shard=(1, 2), watch=looker)  # not its part
    assert (part.encoded, part.found, part.shards) == (0, (shards + 1) // 2, (shards + 1) // 2)
    assert len(pools) == 1
    rest = resume(out, pool=pool, shard=(2, 2), watch=looker)
    assert (rest.encoded, rest.left, len(pools)) == (1, 0, 2)
    assert verify(out, 120, seed=1).lowest_cosine > 1 - 1e-6


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_is_not_ours_is_named_before_a_model_is_loaded(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    (corpus / "theirs").mkdir(mode=0o500)
    with pytest.raises(
        InputError, match=r"deep/out cannot be written to: .*theirs is read-only, or not yours"
    ):
        embed([corpus], corpus / "theirs" / "deep" / "out", Making("minilm"))


def test_what_cannot_be_is_said_before_a_model_is_loaded(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    out, making = corpus / "out", Making("minilm")
    (corpus / "empty").mkdir()
    with pytest.raises(InputError, match="there is none of .parquet"):
        embed([corpus / "empty"], out, making)
    with pytest.raises(InputError, match=re.escape("shard must be (i, n) with i from 1 to n, not (0, 2)")):
        embed([corpus], out, making, shard=(0, 2))
    with pytest.raises(InputError, match="workers must be an int of at least 1, not 0"):
        embed([corpus], out, making, workers=0)
    with pytest.raises(InputError, match="bad_rows must be one of error, skip, not 'drop'"):
        embed([corpus], out, making, bad_rows="drop")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="shard_timeout must be a number of seconds above 0, not -1"):
        resume(out, shard_timeout=-1)
    with pytest.raises(InputError, match="there is no job in"):
        resume(out)
    assert not out.exists()
