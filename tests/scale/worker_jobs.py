"""Jobs for workers: a corpus, its folder, and the vectors that are in it, read with pyarrow alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from checkpoints import TEXTS
from engines.loopback import Reply, Request
from engines.youtu_server import YoutuServer

from youtu_st import Encoder
from youtu_st.scale.job.record import Job
from youtu_st.scale.settings import BadRows, Columns, Cutting, Making, Task
from youtu_st.scale.work.preparing import prepare

FAR = 120.0
"""Seconds after which what should have happened never does."""

Matrix = npt.NDArray[np.float32]
Document = dict[str, Any]


def documents(count: int) -> list[Document]:
    """Documents of many lengths, each another one."""
    return [
        {
            "id": f"d{i}",
            "text": f"{i}. {' '.join(TEXTS[(i + k) % len(TEXTS)] for k in range(i % 5 + 1))}",
            "rank": i,
        }
        for i in range(count)
    ]


def write(path: Path, rows: Iterable[Document]) -> Path:
    """A JSONL file."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def begun(
    folder: Path,
    rows: list[Document],
    encoder: Any,
    *,
    shard_rows: int = 100,
    task: Task = Task(),  # noqa: B008
    making: Making | None = None,
    keep: tuple[str, ...] = (),
    bad_rows: BadRows = "error",
) -> Job:
    """A job in ``folder / "out"`` over ``rows``, none of which is encoded."""
    corpus = write(folder / "corpus.jsonl", rows)
    return prepare(
        folder / "out",
        [str(corpus)],
        making or Making(encoder.model_name),
        task,
        Columns(id="id", keep=keep),
        Cutting(rows=shard_rows),
        bad_rows=bad_rows,
        encoder=lambda: encoder,
    )


def stored(folder: Path) -> dict[str, Matrix]:
    """The vectors by their ids; no id comes twice, and nothing stands beside the shards."""
    found: dict[str, Matrix] = {}
    for file in sorted((folder / "vectors").iterdir()):
        assert file.name.startswith("part-"), file
        table = pq.read_table(file)
        vectors = np.array(table["vector"].to_pylist(), dtype=np.float32)
        for name, vector in zip(table["id"].to_pylist(), vectors, strict=True):
            assert name not in found
            found[name] = vector
    return found


def assert_stored(folder: Path, rows: list[Document], vectors: Matrix) -> None:
    """Each row's vector is in the folder, and no other."""
    there = stored(folder)
    assert list(there.keys() - {row["id"] for row in rows}) == []
    np.testing.assert_allclose(np.stack([there[row["id"]] for row in rows]), vectors, rtol=0, atol=1e-6)


def texts(rows: Iterable[Document]) -> list[str]:
    return [row["text"] for row in rows]


def until(what: Callable[[], Any]) -> Any:
    """Wait for something that is to happen, and return what it is."""
    end = time.monotonic() + FAR
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


class HoldingServer(YoutuServer):
    """A server that keeps requests with a certain word in a text waiting, until it is told otherwise."""

    def __init__(self, encoder: Encoder, word: str) -> None:
        super().__init__(encoder)
        self.word = word
        self.holds = threading.Event()
        self.go = threading.Event()

    def answer(self, request: Request) -> Reply:
        if any(self.word in text for text in request.body["input"]) and not self.go.is_set():
            self.holds.set()
            self.go.wait(FAR)
        return super().answer(request)

    def __exit__(self, *error: object) -> None:
        self.go.set()
        super().__exit__(*error)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def numbers(job: Job) -> Iterator[int | None]:
    """All of a job's shards."""
    return iter(range(len(job.shards)))
