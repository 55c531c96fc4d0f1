"""Rows of the input, drawn at random and encoded again: are the stored vectors those of the texts?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from youtu_st.errors import InputError, in_one_line, printable, require
from youtu_st.inputs import check_count, unit_rows
from youtu_st.probes import cosines
from youtu_st.protocol import TextEncoder, Vectors
from youtu_st.scale.encoders import splitter_for
from youtu_st.scale.input.reading import Reader
from youtu_st.scale.input.types import Rows, Shard
from youtu_st.scale.job.facts import DamagedPartError
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.job.shards import ID, VECTOR
from youtu_st.scale.settings import Task

Read = Callable[[Shard], Iterable[Rows]]
"""The rows of a shard, from the input; asked for one shard after the other, in the order of their numbers."""

_BLOCK = 1024
_DRAWN_SHARDS = 64


@dataclass(frozen=True, slots=True)
class Verified:
    """How near stored vectors are to new ones.

    Attributes:
        rows: Rows that were compared.
        lowest_cosine: The least cosine of a stored vector and its new one.
        largest_difference: The largest difference of two of their numbers.
        shards: Shards that the rows are of.
    """

    rows: int
    lowest_cosine: float
    largest_difference: float
    shards: int


def verify(
    folder: JobFolder,
    encoder: TextEncoder,
    rows: int,
    seed: int = 0,
    *,
    read: Read | None = None,
    most_shards: int = _DRAWN_SHARDS,
) -> Verified:
    """Encode random rows again and compare them with what is stored.

    Half floats are compared as they are stored: their numbers differ by up to 2^-12 for it.

    Args:
        folder: A job's.
        encoder: The job's encoder, or one like it.
        rows: How many rows; fewer where the shards that are drawn have no more.
        seed: Of the draw: the same seed draws the same rows, as long as the same shards are there.
        read: Reads the input. None: from where the job has found it.
        most_shards: Shards to draw from, at most: each costs reading its part of the input.

    Raises:
        InputError: If nothing is there yet, a shard is damaged, or its ids are not the input's.
        OSError: If a file cannot be read.
        YoutuError: As the encoder has it.
    """
    if read is None:
        job = folder.job
        with Reader(job.files, job.columns, job.schema, splitter_for(encoder, job.files)) as reader:
            return verify(folder, encoder, rows, seed, read=reader.rows, most_shards=most_shards)
    drawn = _draw(folder, check_count("rows", rows), np.random.default_rng(seed), most_shards)
    lowest, largest, count = 1.0, 0.0, 0
    for texts, stored in _blocks(_pairs(folder, read, drawn)):
        new = _encode(encoder, folder.job.task, texts, folder.job.dimension)
        scaled = unit_rows(stored, stored.shape, "stored vectors")  # half floats are not quite of unit length
        lowest = min(lowest, float(cosines(scaled, new).min()))
        largest = max(largest, float(np.abs(stored - new).max()))
        count += len(texts)
    return Verified(count, lowest, largest, len(drawn))


def _draw(folder: JobFolder, rows: int, random: np.random.Generator, most: int) -> dict[int, list[int]]:
    """Some shards, each as likely as any other, and of all of their rows some, likewise."""
    there = np.array(sorted(folder.done()), dtype=np.int64)
    if not len(there):
        raise InputError(f"there is no shard in {printable(str(folder.path))} yet")
    few = np.sort(random.permutation(there)[:most]).tolist()
    counts = {number: _sound_rows(folder, number) for number in few}
    ends = list(accumulate(counts.values()))
    if not ends[-1]:
        raise InputError(f"the shards in {printable(str(folder.path))} have no row with a vector")
    drawn: dict[int, list[int]] = {}
    for place in np.sort(random.choice(ends[-1], size=min(rows, ends[-1]), replace=False)).tolist():
        at = bisect_right(ends, place)
        drawn.setdefault(few[at], []).append(place - (ends[at - 1] if at else 0))
    return drawn


def _sound_rows(folder: JobFolder, number: int) -> int:
    try:
        return folder.sound(number, deep=True).rows
    except DamagedPartError as error:
        raise InputError(in_one_line(printable(str(folder.shard_path(number))), error)) from error


def _pairs(folder: JobFolder, read: Read, drawn: dict[int, list[int]]) -> Iterator[tuple[str, Vectors]]:
    """The text in the input, and the stored vector, of each row."""
    pq = require("pyarrow.parquet", "scale")
    for number, places in drawn.items():
        stored = pq.read_table(folder.shard_path(number), columns=[ID, VECTOR]).take(places)
        ids = stored[ID].to_pylist()
        texts = _texts(read(folder.job.shards[number]), set(ids))
        if missing := [name for name in ids if name not in texts]:
            file = printable(folder.job.files[folder.job.shards[number].file].name)
            raise InputError(f"{file} has no row with the id {missing[0]!r} any more: it has changed")
        vectors = _numbers(stored[VECTOR].combine_chunks(), folder.job.dimension)
        yield from zip(map(texts.__getitem__, ids), vectors, strict=True)


def _texts(blocks: Iterable[Rows], wanted: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for rows in blocks:  # to the end: what reads goes on from there
        found.update((name, text) for name, text in zip(rows.ids, rows.texts, strict=True) if name in wanted)
    return found


def _numbers(column: Any, dimension: int) -> Vectors:
    """A column of lists of fixed size as an array, shape ``(n, dimension)``, float32."""
    flat: Vectors = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return flat.reshape(-1, dimension)


def _blocks(pairs: Iterator[tuple[str, Vectors]]) -> Iterator[tuple[list[str], Vectors]]:
    texts: list[str] = []
    vectors: list[Vectors] = []
    for text, vector in pairs:
        texts.append(text)
        vectors.append(vector)
        if len(texts) == _BLOCK:
            yield texts, np.stack(vectors)
            texts, vectors = [], []
    if texts:
        yield texts, np.stack(vectors)


def _encode(encoder: Any, task: Task, texts: list[str], dimension: int) -> Vectors:
    how: dict[str, Any] = {} if task.dimensions is None else {"dimensions": task.dimensions}
    if task.instruction is not None:
        how["instruction"] = task.instruction
    encode = getattr(encoder, f"encode_{task.role}")
    return unit_rows(encode(texts, **how), (len(texts), dimension), "the encoder's vectors")
