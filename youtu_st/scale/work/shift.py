"""One stream of texts over many shards: what is read, what is encoded, and what is whole."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING

from youtu_st.errors import printable
from youtu_st.protocol import Vectors
from youtu_st.scale.input.types import Rejected
from youtu_st.scale.pools.events import FAULT, ROW, Failed, Finished
from youtu_st.scale.work.encoding import Counts, is_of_a_text
from youtu_st.scale.work.outcomes import failed, finished
from youtu_st.scale.work.shares import shares
from youtu_st.scale.work.sifting import sift
from youtu_st.scale.work.under_way import Ahead, Piece, UnderWay

if TYPE_CHECKING:
    from youtu_st.scale.input.types import Shard
    from youtu_st.scale.job.claims import Claim
    from youtu_st.scale.job.facts import ShardFacts
    from youtu_st.scale.work.worker import Worker

PAUSE = 0.2
"""Seconds between two looks at a shard that another process has."""
WRITING_SHARE = 0.02
"""Of the seconds that a block takes, those for which the network waits until a shard is written."""
_END = -1


class Shift:
    """What a worker does from the first shard that it is handed to the last.

    Args:
        worker: Whose encoder, reader and folder are used.
        shards: As for :meth:`Worker.run`.
        began: Likewise.
    """

    def __init__(self, worker: Worker, shards: Iterator[int | None], began: Callable[[int], None]) -> None:
        self._worker = worker
        self._asked = worker.asked
        self._folder = worker.folder
        self._shards = shards
        self._began = began
        self._under_way: deque[UnderWay] = deque()  # in the order in which they were handed over
        self._read: UnderWay | None = None  # the last of these, while there is more to read of it
        self._pieces: deque[Piece] = deque()  # that were read, and have not all their vectors
        self._written: deque[tuple[UnderWay, Future[ShardFacts]]] = deque()
        self._first: UnderWay | None = None  # whose turn it is
        self._whole = float("-inf")  # when the last one became whole
        self._elsewhere: list[int] = []  # which another process has
        self._claimed: list[tuple[int, Claim]] = []  # which it had
        self._told: deque[Finished | Failed] = deque()
        self._block_seconds = 0.0
        self._over = False

    def run(self) -> Iterator[Finished | Failed]:
        """Encode all shards, as they come."""
        try:
            while self._under_way or self._claimed or self._elsewhere or not self._over:
                yield from self._stream()
                self._collect(all_of_them=True)
                self._look_elsewhere()
                yield from self._all_told()
                if self._over and self._elsewhere and not self._claimed:
                    time.sleep(PAUSE)
        finally:
            for one in self._under_way:
                one.leave()
            for _, facts in self._written:
                facts.exception()
            for _, claim in self._claimed:
                claim.release()

    def _stream(self) -> Iterator[Finished | Failed]:
        """One stream, until there is no shard to go on with, or a text ends it."""
        before, since = self._asked.counts, time.perf_counter()
        try:
            for vectors in self._asked.stream(self._texts()):
                counts, now = self._asked.counts, time.perf_counter()
                self._block_seconds = now - since
                self._take(vectors, Counts(counts.tokens - before.tokens, counts.cut - before.cut))
                before = self._asked.counts  # to share them out may have counted more
                yield from self._settled()
                since = time.perf_counter()
        except Exception as error:
            self._go_on_after(error)
        yield from self._settled()

    def _go_on_after(self, error: Exception) -> None:
        """Do what can be done of what is under way, when a stream has ended with an error."""
        try:
            if is_of_a_text(error):
                self._sift()
                return
        except Exception as other:
            error = other
        self._pieces.clear()
        for one in self._under_way:
            if one.failed is None:
                self._fail(one, error)

    def _texts(self) -> Iterator[str]:
        """Texts as the encoder is to read them; what has been read stands in ``_pieces``."""
        while (piece := self._next_piece()) is not None:
            self._pieces.append(piece)
            yield from piece.rows.texts

    def _next_piece(self) -> Piece | None:
        """The next rows, of the shard that is read or the next one; None: there is none now."""
        while True:
            one = self._read or self._next_shard()
            if one is None:
                return None
            self._read = one
            try:
                rows = one.rows.take()
            except Exception as error:
                self._fail(one, error)
                continue
            if rows is None:
                self._read = None
                if not one.is_read:
                    wanted, seen = one.shard.rows, one.seen
                    self._fail(one, EOFError(f"{wanted:,} rows were planned, and {seen:,} are there"))
                continue
            one.seen += len(rows.ids) + len(rows.rejected)
            if rows.rejected and not self._may_skip(one, rows.rejected):
                continue
            one.settled += len(rows.rejected)
            if one.is_read:
                self._read = None
            if rows.ids:
                return Piece(one, rows)

    def _next_shard(self) -> UnderWay | None:
        if self._claimed:
            return self._begin(*self._claimed.pop(0))
        while not self._over:
            number = next(self._shards, _END)
            if number is None:
                return None
            if number == _END:
                self._over = True
                continue
            if not 0 <= number < len(self._folder.job.shards):
                self._told.append(Failed(number, FAULT, f"the job has no shard {number}"))
                continue
            try:
                claim = self._folder.claim(number)
            except Exception as error:
                self._told.append(failed(self._folder.job, number, error))
                continue
            if claim is not None:
                return self._begin(number, claim)
            if not self._is_there(number):
                self._elsewhere.append(number)
        return None

    def _begin(self, number: int, claim: Claim) -> UnderWay:
        job = self._folder.job
        shard: Shard = job.shards[number]
        rows = Ahead(self._worker.reader.rows(shard), self._worker.reading)
        one = UnderWay(shard, job.files[shard.file].name, claim, rows)
        self._under_way.append(one)
        self._turn()
        return one

    def _may_skip(self, one: UnderWay, bad: list[Rejected]) -> bool:
        """Leave rows out, or make them the end of their shard."""
        if self._worker.bad_rows == "skip":
            one.rejected += bad
            return True
        self._give_up(one, Failed(one.shard.number, ROW, printable(str(bad[0]))))
        return False

    def _take(self, vectors: Vectors, done: Counts) -> None:
        """Give a block of vectors to the pieces that they are of, and each shard its part of the counts."""
        parts, left = [], len(vectors)
        for piece in self._pieces:
            if left:
                parts.append((piece, piece.texts_left(left)))
                left -= len(parts[-1][1])
        self._count(parts, done)
        start = 0
        for piece, texts in parts:
            piece.add(vectors[start : start + len(texts)])
            start += len(texts)
        while self._pieces and not self._pieces[0].left:
            self._pieces.popleft()

    def _count(self, parts: Sequence[tuple[Piece, list[str]]], done: Counts) -> None:
        of = {piece.of: list[str]() for piece, _ in parts}
        for piece, texts in parts:
            of[piece.of] += texts
        for one, share in zip(of, shares(self._asked, list(of.values()), done), strict=True):
            one.tokens += share.tokens
            one.cut += share.cut

    def _sift(self) -> None:
        """Encode what was read and has no vectors, as far as that can be: one of the texts cannot."""
        while self._pieces:
            piece = self._pieces.popleft()
            one, texts = piece.of, piece.texts_left(piece.left)
            if one.failed is not None:
                continue
            before = self._asked.counts
            found = sift(self._asked, texts, first_only=self._worker.bad_rows == "error")
            tokens, cut = (after - then for after, then in zip(self._asked.counts, before, strict=True))
            rows, bad = piece.rows, {piece.done + i: why for i, why in sorted(found.bad.items())}
            rejected = [Rejected(one.file, rows.numbers[i], rows.ids[i], why) for i, why in bad.items()]
            if rejected and not self._may_skip(one, rejected):
                continue
            one.tokens += tokens
            counted = self._asked.cut_among([text for i, text in enumerate(texts) if i not in found.bad])
            one.cut += cut if counted is None else counted
            piece.found.append(found.rows(self._asked.dimension))
            piece.finish(bad)

    def _settled(self) -> Iterator[Finished | Failed]:
        """What became of those that are whole; the next one's turn begins."""
        self._collect()
        for one in list(self._under_way):
            if one.failed is not None:
                self._under_way.remove(one)
                one.leave()
                self._told.append(one.failed)
        while self._under_way and self._under_way[0].is_whole:
            one = self._under_way.popleft()
            self._collect(all_of_them=True)
            now = time.perf_counter()
            seconds, self._whole = now - max(one.began, self._whole), now
            facts = self._worker.writing.submit(one.write, self._folder, seconds)
            self._written.append((one, facts))
            # Told at once where that costs little beside the block; on a quick device the next one is begun.
            wait([facts], timeout=WRITING_SHARE * self._block_seconds)
            self._collect()
        yield from self._all_told()
        self._turn()

    def _turn(self) -> None:
        """Say whose turn it is, where that is another now."""
        first = self._under_way[0] if self._under_way else None
        if first is not None and first is not self._first:
            self._began(first.shard.number)
        self._first = first

    def _collect(self, *, all_of_them: bool = False) -> None:
        """Learn of those that were written."""
        while self._written and (all_of_them or self._written[0][1].done()):
            one, future = self._written.popleft()
            number = one.shard.number
            try:
                facts = future.result()
            except Exception as error:
                self._told.append(failed(self._folder.job, number, error))
            else:
                self._told.append(finished(number, facts))

    def _all_told(self) -> Iterator[Finished | Failed]:
        while self._told:
            yield self._told.popleft()

    def _fail(self, one: UnderWay, error: Exception) -> None:
        self._give_up(one, failed(self._folder.job, one.shard.number, error))

    def _give_up(self, one: UnderWay, end: Failed) -> None:
        one.failed = end
        if self._read is one:
            self._read = None

    def _is_there(self, number: int) -> bool:
        """Whether somebody else has put a shard in its place; then that is told."""
        if not self._folder.shard_path(number).exists():
            return False
        try:
            told = finished(number, self._folder.facts(number), encoded=False)
        except (OSError, ValueError):  # whoever looks at it next finds out what is wrong with it
            told = Finished(number, 0, 0, 0, 0, 0.0, encoded=False)
        self._told.append(told)
        return True

    def _look_elsewhere(self) -> None:
        """Whether others have done what they had begun, or have let go of it."""
        for number in list(self._elsewhere):
            claim = None if self._is_there(number) else self._folder.claim(number)
            if claim is not None:
                self._claimed.append((number, claim))
            if claim is not None or (self._told and self._told[-1].shard == number):
                self._elsewhere.remove(number)
