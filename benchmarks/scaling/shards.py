"""What a shard costs beside encoding it.

python -m scaling.shards FOLDER ROWS

says so, as JSON. A shard is read, claimed, hashed, written, flushed and renamed by a worker, whose encoder
gives rows that are there already; the same texts are encoded by MiniLM, on one core.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from scaling import inputs
from scaling.processes import run
from scaling.stage import Figures, Stage

ROWS, TOKENS, SHARDS, DIMENSION = 4096, 100, 8, 384
COST, ENCODING = "a shard without its network", "its network"


class FreeEncoder:
    """Gives rows that are there already."""

    model_name = fingerprint = "free"
    dimension = DIMENSION
    identity: Mapping[str, str] = {"weights": "none"}
    runtime: Mapping[str, str] = {"backend": "none", "dtype": "float32", "device": "none"}

    def __init__(self) -> None:
        rows = np.random.default_rng(0).standard_normal((ROWS, DIMENSION), dtype=np.float32)
        self._rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def encode_document(self, texts: Sequence[str], **how: object) -> np.ndarray:
        return self._rows[: len(texts)]

    encode_query = encode_document

    def iter_encode_document(self, texts: Iterable[str], *, block_size: int) -> Iterator[np.ndarray]:
        given = iter(texts)
        while block := list(islice(given, block_size)):
            yield self._rows[: len(block)]


def shard(stage: Stage) -> dict[str, list[Figures]]:
    """At 4,096 rows of 100 tokens."""
    found: dict[str, list[Figures]] = {COST: [], ENCODING: []}

    def play() -> Figures:
        with stage.scratch() as folder:
            command = [sys.executable, "-m", "scaling.shards", str(folder), str(stage.count(ROWS))]
            ran = run(command, folder / "log", further={"OMP_NUM_THREADS": "1"})
            said: dict[str, Figures] = json.loads(ran.said.strip().splitlines()[-1])
            for name, figures in said.items():
                found[name].append(figures)
            return {}

    stage.take_turns({COST: play})
    return {name: figures for name, figures in found.items() if figures}


def main(place: str, count: str) -> None:
    folder, rows = Path(place), int(count)
    texts = list(inputs.equal_texts(rows * SHARDS, TOKENS))
    cost = without_network(inputs.write(folder / "in", texts, len(texts), SHARDS), folder / "out", rows)
    print(json.dumps({COST: cost, ENCODING: network([text for _, text in texts[:rows]])}))


def without_network(source: Path, out: Path, rows: int) -> Figures:
    """Seconds of each shard, in the middle; the first, which everything is new to, is left out."""
    from youtu_st.scale.pools.events import Finished
    from youtu_st.scale.settings import Columns, Cutting, Making, Task
    from youtu_st.scale.work.preparing import prepare
    from youtu_st.scale.work.worker import Worker

    making = Making("minilm")  # never made: the encoder is handed in
    columns, cutting = Columns(id="id"), Cutting(tokens=1 << 30, rows=rows)
    job = prepare(out, [str(source)], making, Task(), columns, cutting, encoder=FreeEncoder)
    worker = Worker(out, making, encoder=FreeEncoder())
    wall, cpu = [], []
    for number in range(len(job.shards)):
        began, used = time.perf_counter(), time.process_time()
        (told,) = worker.run(iter([number]))
        if not isinstance(told, Finished) or told.rows != rows:
            raise SystemExit(f"shard {number}: {told}")
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
    worker.close()
    return {"seconds": statistics.median(wall[1:]), "cpu_s": statistics.median(cpu[1:]), "shards": len(wall)}


def network(texts: Sequence[str]) -> Figures:
    """Seconds for the texts of one shard."""
    from youtu_st import Encoder

    encoder = Encoder("minilm")
    encoder.encode_document(texts[:64])
    before = encoder.totals.tokens
    began, used = time.perf_counter(), time.process_time()
    for _ in encoder.iter_encode_document(texts):
        pass
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return {"seconds": seconds, "cpu_s": cpu, "tokens": (encoder.totals.tokens - before) / len(texts)}


if __name__ == "__main__":
    main(*sys.argv[1:])
