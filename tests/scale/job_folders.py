"""Jobs of a few rows, their vectors from a formula; and the processes that the tests kill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from youtu_st.probes import PROBE_TEXTS, EncoderRecord
from youtu_st.scale.input.types import InputFile, Shard
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.job.record import Job
from youtu_st.scale.settings import Columns, Cutting, Making, Task

DIMENSION = 6
ROWS = 4
SCHEMA = pa.schema([("year", pa.int64()), ("tags", pa.list_(pa.string()))])


def unit(rows: int, dimension: int = DIMENSION, seed: int = 0) -> np.ndarray:
    """Random unit rows."""
    drawn = np.random.default_rng(seed).standard_normal((rows, dimension))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def record(dimension: int = DIMENSION, fingerprint: str = "0123456789abcdef", **changes) -> EncoderRecord:
    """What is written down of an encoder that nobody has."""
    values = {
        "model": "some-model",
        "fingerprint": fingerprint,
        "identity": {"weights": "aa", "max_length": "512"},
        "runtime": {"dtype": "float32", "backend": "torch"},
        "dimension": dimension,
        "probe_texts": PROBE_TEXTS,
        "query_probes": unit(len(PROBE_TEXTS), dimension, 1),
        "document_probes": unit(len(PROBE_TEXTS), dimension, 2),
    }
    return EncoderRecord(**{**values, **changes})


def job(shards: int = 3, rows: int = ROWS, *, schema: pa.Schema = SCHEMA, **changes) -> Job:
    """A job of one file with that many shards; the longest texts come last."""
    values = {
        "making": Making("some-model", truncation="error"),
        "encoder": record(),
        "task": Task(),
        "columns": Columns(text="body", id="key", keep=tuple(schema.names)),
        "cutting": Cutting(tokens=1000, rows=rows),
        "paths": ("corpus",),
        "files": (
            InputFile("corpus/a.jsonl", "/data/corpus/a.jsonl", "jsonl", 123, "ab" * 16, shards * rows),
        ),
        "shards": tuple(Shard(i, 0, i * rows, rows, 10 * rows, 10 + i, 40 * i) for i in range(shards)),
        "schema": schema,
    }
    return Job(**{**values, **changes})


def ids_of(number: int, rows: int = ROWS) -> list[str]:
    return [f"ключ-{number}-{row}" for row in range(rows)]


def kept_of(number: int, rows: int = ROWS) -> pa.Table:
    columns = {"year": [1900 + number + i for i in range(rows)], "tags": [["a", None]] * (rows - 1) + [None]}
    return pa.table({name: columns[name][:rows] for name in columns}, schema=SCHEMA)


def write(folder: JobFolder, number: int, rows: int = ROWS, **further):
    """A shard, with vectors that its number decides."""
    vectors = unit(rows, folder.job.dimension, 100 + number)
    kept = kept_of(number, rows) if len(folder.job.schema) else None
    return folder.write(number, ids=ids_of(number, rows), vectors=vectors, kept=kept, **further)


def names_in(path: Path) -> list[str]:
    """What is below a folder."""
    return sorted(str(found.relative_to(path)) for found in path.rglob("*"))


def started(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process of its own that has this module, and talks through pipes."""
    begun = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    return subprocess.Popen(
        [sys.executable, "-c", begun + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    """Its next line."""
    line = process.stdout.readline()
    assert line, f"the process ended: {process.wait()}"
    return line.strip()
