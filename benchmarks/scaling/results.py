"""What the contestants have written: ids, vectors, and when."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LEAST_COSINE = 0.9999


def vector_table(ids: Sequence[str], vectors: np.ndarray) -> pa.Table:
    """The columns that all contestants write: ``id``, and ``vector`` as a list of a fixed size."""
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    rows = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table({"id": pa.array(ids, pa.string()), "vector": rows})


def mark(path: Path) -> None:
    """Say that the first text goes to the model now; nothing if another process has said so."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(str(time.time()))
    except FileExistsError:
        pass


def marked(path: Path) -> float:
    return float(path.read_text("utf-8"))


def files_of(folder: Path) -> list[Path]:
    """Its Parquet files, wherever they are below it; without those that were set aside."""
    return sorted(path for path in folder.rglob("*.parquet") if "damaged" not in path.parts)


def last_written(folder: Path) -> float:
    """Seconds since the epoch when the last file was in its place."""
    return max(path.stat().st_mtime for path in files_of(folder))


def rows_of(folder: Path) -> int:
    return sum(pq.ParquetFile(path).metadata.num_rows for path in files_of(folder))


def shard_facts(path: Path) -> dict[str, Any]:
    """What a shard of a job says of itself, in its file's own metadata."""
    kept = pq.ParquetFile(path).metadata.metadata
    facts: dict[str, Any] = json.loads(kept[b"youtu-st"])
    return facts


def first_row(folder: Path) -> float:
    """Seconds since the epoch when a job's first row was read: each shard says how long it took."""
    return min(path.stat().st_mtime - shard_facts(path)["seconds"] for path in files_of(folder))


def read(folder: Path) -> tuple[list[str], np.ndarray]:
    """Ids and vectors, ``(n, d)`` float32, in the order of the ids."""
    ids: list[str] = []
    parts: list[np.ndarray] = []
    for path in files_of(folder):
        table = pq.read_table(path, columns=["id", "vector"])
        ids.extend(table["id"].to_pylist())
        if table.num_rows:
            rows = table["vector"].combine_chunks()
            flat = rows.flatten().to_numpy(zero_copy_only=False)
            parts.append(flat.astype(np.float32).reshape(len(rows), -1))
    order = np.argsort(np.array(ids))
    return [ids[i] for i in order], np.concatenate(parts)[order]


def what_is_wrong(folder: Path, right_ids: Sequence[str], right: np.ndarray) -> str | None:
    """Of a contestant's rows, beside the right ones in the order of their ids; None: nothing."""
    ids, vectors = read(folder)
    if len(ids) != len(set(ids)):
        return f"{len(ids) - len(set(ids))} ids are there twice"
    if ids != list(right_ids):
        missing, strange = set(right_ids) - set(ids), set(ids) - set(right_ids)
        return f"{len(missing)} ids are missing, and {len(strange)} were never given"
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(right, axis=1)
    lowest = float(((vectors * right).sum(axis=1) / lengths).min())
    return None if lowest >= LEAST_COSINE else f"other vectors than the library's: a cosine of {lowest:.4f}"
