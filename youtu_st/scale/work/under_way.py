"""A shard between its rows and its file."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import compress
from typing import Generic, TypeVar

import numpy as np
import pyarrow as pa

from youtu_st.protocol import Vectors
from youtu_st.scale.input.types import Rejected, Rows, Shard
from youtu_st.scale.job.claims import Claim
from youtu_st.scale.job.facts import ShardFacts
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.pools.events import Failed

T = TypeVar("T")


class Ahead(Generic[T]):
    """Items of an iterator, the next of which is always made in another thread.

    Args:
        items: Used by that thread alone.
        thread: Where; what else it has to do comes in between.
    """

    def __init__(self, items: Iterator[T], thread: Executor) -> None:
        self._items = items
        self._thread = thread
        self._next: Future[T | None] = thread.submit(next, items, None)

    def take(self) -> T | None:
        """The next item; None: there are no more."""
        found = self._next.result()
        if found is not None:
            self._next = self._thread.submit(next, self._items, None)
        return found

    def leave(self) -> None:
        """Wait for what is being made: no item is taken any more."""
        if not self._next.cancel():
            self._next.exception()
        self._thread.submit(self._forget).result()

    def _forget(self) -> None:
        """Let go of the iterator where it was used: a file may be open in it."""
        self._items = iter(())


@dataclass(slots=True, eq=False)
class UnderWay:
    """A shard that is read and encoded.

    Attributes:
        shard: Which.
        file: The name of its file.
        claim: What keeps others from it meanwhile.
        rows: What is still to be read.
        ids: Of the rows that have vectors.
        vectors: Of these, in parts.
        kept: What is written beside them, in parts.
        rejected: Rows without a vector.
        seen: Rows that were read, the bad ones among them.
        settled: Rows that have a vector, or never will.
        tokens: Tokens of these.
        cut: Texts of these that were cut.
        began: When its first row was asked for; as :func:`time.perf_counter` says.
        failed: What its end is to be, where it cannot be finished.
    """

    shard: Shard
    file: str
    claim: Claim
    rows: Ahead[Rows]
    ids: list[str] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)
    kept: list[pa.Table] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    seen: int = 0
    settled: int = 0
    tokens: int = 0
    cut: int = 0
    began: float = field(default_factory=time.perf_counter)
    failed: Failed | None = None

    @property
    def is_read(self) -> bool:
        """Whether all of its rows were read."""
        return self.seen >= self.shard.rows

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is left to do but to write it, or to say why not."""
        return self.failed is not None or (self.is_read and self.settled == self.seen)

    def add(self, rows: Rows, vectors: Vectors, bad: Collection[int]) -> None:
        """Take the vectors of some rows.

        Args:
            rows: As they were read, all of this shard.
            vectors: Of those that are not bad.
            bad: Positions of those that turned out to be.
        """
        self.settled += len(rows.ids)
        good = [i not in bad for i in range(len(rows.ids))]
        self.ids += compress(rows.ids, good)
        self.vectors.append(vectors)
        self.kept.append(rows.kept.filter(pa.array(good)) if bad and rows.kept.num_columns else rows.kept)

    def write(self, folder: JobFolder, seconds: float) -> ShardFacts:
        """Put it in its place, and let go of it."""
        with self.claim:
            dimension = folder.job.dimension
            return folder.write(
                self.shard.number,
                ids=self.ids,
                vectors=np.concatenate([np.empty((0, dimension), dtype=np.float32), *self.vectors]),
                kept=pa.concat_tables(self.kept) if self.kept and len(folder.job.schema) else None,
                rejected=sorted(self.rejected, key=lambda one: one.row),
                tokens=self.tokens,
                cut=self.cut,
                seconds=seconds,
            )

    def leave(self) -> None:
        """Let go of it as it is."""
        self.rows.leave()
        self.claim.release()


@dataclass(slots=True, eq=False)
class Piece:
    """Rows of one shard on their way through the encoder.

    Attributes:
        of: The shard.
        rows: The rows.
        found: Vectors of the first of them, in parts.
        done: How many these are.
    """

    of: UnderWay
    rows: Rows
    found: list[Vectors] = field(default_factory=list)
    done: int = 0

    @property
    def left(self) -> int:
        """Rows that have no vector yet."""
        return len(self.rows.texts) - self.done

    def texts_left(self, most: int) -> list[str]:
        """Texts of the next rows that have no vector, at most so many."""
        return self.rows.texts[self.done : self.done + most]

    def add(self, vectors: Vectors) -> None:
        """Take the vectors of the next rows; with the last of them the shard has all."""
        self.found.append(vectors)
        self.done += len(vectors)
        if not self.left:
            self.finish(())

    def finish(self, bad: Collection[int]) -> None:
        """Hand over what there is; the rows that have no vector are those in ``bad``."""
        vectors = self.found[0] if len(self.found) == 1 else np.concatenate(self.found)
        self.of.add(self.rows, vectors, bad)
