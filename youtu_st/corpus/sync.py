"""Keeping an index equal to files: what is new is encoded, what is gone is deleted."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from youtu_st.corpus.cutting.passages import Passage, Splitter
from youtu_st.corpus.reading.documents import Reading
from youtu_st.corpus.reading.readers import read_file
from youtu_st.corpus.sources import Found, SourceFile
from youtu_st.corpus.spool import Spool
from youtu_st.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder
    from youtu_st.index import VectorIndex
    from youtu_st.inference.progress import Show

BLOCK = 1024
"""Passages that are encoded and committed together."""
PLACES = ("line", "page", "slide", "cell")
"""What says where in a file a passage is."""
BLANKS_TOGETHER = 256
REPORT_EVERY = 100


@dataclass(frozen=True, slots=True)
class Step:
    """How far the work over files is.

    Attributes:
        files: Files that are done.
        all_files: Files that there are to do.
        passages: Passages that are done.
        all_passages: Passages that there are to do; None: nobody knows yet.
        share: Of all work, what is done: from 0 to 1.
    """

    files: int
    all_files: int
    passages: int
    all_passages: int | None
    share: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What :func:`update_index` did.

    Attributes:
        added: Passages that are new.
        updated: Passages with the same text, whose metadata changed, such as the line they stand on.
        unchanged: Passages that were there already.
        deleted: Passages that the files no longer hold.
        kept: Passages that stay as they are, as their files could not be read, or not all of them.
        files: Files that hold passages.
        empty: Names of files that hold none.
    """

    added: int
    updated: int
    unchanged: int
    deleted: int
    kept: int
    files: int
    empty: tuple[str, ...]


def read_passages(
    found: Found,
    splitter: Splitter,
    spool: Spool,
    *,
    reading: Reading | None = None,
    are_blank: Callable[[list[str]], list[bool]] | None = None,
    report: Callable[[Step], object] | None = None,
) -> None:
    """Read and split files.

    Args:
        found: The files.
        splitter: Splits them, by the tokenizer of the index's encoder.
        spool: Takes the passages.
        reading: How to read them. Its notes take every problem: a record or a page that has one is left out,
            and so is a whole file. None: the first is raised.
        are_blank: Tells of which texts the encoder reads nothing, see
            :func:`~youtu_st.corpus.cutting.passages.are_blank`; they are left out with a note for each file.
        report: Told how far it is, now and then; the work is counted in bytes of files.

    Raises:
        InputError: If a file cannot be read, and ``reading`` does not take that.
    """
    reading = reading or Reading()
    sizes = [_size(file) for file in found.files]
    done = 0

    def tell(files: int) -> None:
        if report is not None:
            report(Step(files, len(sizes), len(spool), None, done / max(sum(sizes), 1)))

    for number, file in enumerate(found.files):
        mark = spool.mark()
        passages = splitter.split(read_file(file, reading))
        try:
            if are_blank is not None:
                passages = _readable(file, passages, are_blank, reading)
            for passage in passages:
                spool.add([passage.id, passage.text, passage.metadata, passage.start, passage.end])
                if len(spool) % REPORT_EVERY == 0:
                    tell(number)
        except (InputError, MissingDependencyError) as error:
            reading.notes.problem(error, file.source)
            spool.back_to(mark)
        done += sizes[number]
        tell(number + 1)


def _size(file: SourceFile) -> int:
    try:
        return os.stat(file.path).st_size
    except OSError:  # reading it says more
        return 0


def _readable(
    file: SourceFile,
    passages: Iterator[Passage],
    are_blank: Callable[[list[str]], list[bool]],
    reading: Reading,
) -> Iterator[Passage]:
    """The passages of a file that are not blank."""
    lost: list[Passage] = []
    while block := list(islice(passages, BLANKS_TOGETHER)):
        for passage, is_blank in zip(block, are_blank([passage.text for passage in block]), strict=True):
            if is_blank:
                lost.append(passage)
            else:
                yield passage
    if lost:
        facts = lost[0].metadata
        where = next((f", {name} {facts[name]}" for name in PLACES if name in facts), "")
        more = f" and {len(lost) - 1:,} more like it" if len(lost) > 1 else ""
        reading.notes.note(f"{file.source}{where}{more}: left out: the model reads nothing of it")


def update_index(
    index: VectorIndex,
    encoder: Encoder,
    found: Found,
    spool: Spool,
    *,
    spoiled: Sequence[dict[str, Any]] = (),
    show_progress: bool = False,
    report: Callable[[Step], object] | None = None,
) -> Changes:
    """Make an index hold the passages of these files, and no others of them.

    Only new texts are encoded. They are committed in blocks: when the work is interrupted, the next call goes
    on from there.

    Args:
        index: An index of ``encoder``.
        encoder: The encoder.
        found: The files.
        spool: Their passages, as :func:`read_passages` left them.
        spoiled: Filters; what any of them matches is of a file that could not be read, or not all of it, and
            is not deleted: see :meth:`~youtu_st.corpus.notes.Gathered.spoiled`.
        show_progress: Show a progress bar on standard error after two seconds.
        report: Told how far it is as often as passages are encoded, in place of a bar.

    Returns:
        What was done.

    Raises:
        IndexLockedError: If somebody else is writing to the index.
    """
    index.add([])  # become the writer before looking at what is there
    stored = frozenset(id for condition in found.owned for id in index.ids(condition))
    kept = {id for condition in spoiled for id in index.ids(condition)}
    ids, sources = set(), set()
    count, ends = 0, {}  # of each file with new passages, how many of these there are up to its last
    for passage in _passages(spool):
        ids.add(passage.id)
        sources.add(passage.metadata["source"])
        if passage.id not in stored:
            count += 1
            ends[passage.metadata["source"]] = count
    updated = _refresh(index, (passage for passage in _passages(spool) if passage.id in stored))
    new = (passage for passage in _passages(spool) if passage.id not in stored)
    show = show_progress if report is None else _Counted(report, sorted(ends.values()), count)
    _encode(index, encoder, new, count, show)
    return Changes(
        added=len(ids - stored),
        updated=updated,
        unchanged=len(ids & stored) - updated,
        deleted=index.delete(stored - ids - kept),
        kept=len(kept - ids),
        files=len(sources),
        empty=tuple(file.source for file in found.files if file.source not in sources),
    )


class _Counted:
    """Reports passages as they are encoded.

    Args:
        report: Told how far it is.
        ends: Of each file, how many passages there are up to its last.
        total: How many there are.
    """

    def __init__(self, report: Callable[[Step], object], ends: Sequence[int], total: int) -> None:
        self._report, self._ends, self._total = report, ends, total
        self._done = 0

    def __call__(self, more: int) -> None:
        """Some more are done."""
        self._done += more
        files = bisect_right(self._ends, self._done)
        share = self._done / self._total
        self._report(Step(files, len(self._ends), self._done, self._total, share))


def _passages(spool: Spool) -> Iterator[Passage]:
    return (Passage(*values) for values in spool)


def _refresh(index: VectorIndex, passages: Iterator[Passage]) -> int:
    """Bring the metadata of stored passages up to date, with the vectors they have."""
    updated = 0
    while block := list(islice(passages, BLOCK)):
        documents = index.get([passage.id for passage in block])
        changed = [
            passage
            for passage, document in zip(block, documents, strict=True)
            if document is None or document.metadata != passage.metadata
        ]
        if changed:
            ids, texts, metadata = _columns(changed)
            index.add(texts, ids, metadata, vectors=index.vectors(ids))
            updated += len(changed)
    return updated


def _encode(
    index: VectorIndex, encoder: Encoder, passages: Iterator[Passage], total: int, show: Show
) -> None:
    waiting: deque[Passage] = deque()

    def texts() -> Iterator[str]:
        for passage in passages:
            waiting.append(passage)
            yield passage.text

    blocks = encoder.iter_encode_document(texts(), block_size=BLOCK, show_progress=show, total=total)
    for vectors in blocks:
        ids, block, metadata = _columns([waiting.popleft() for _ in range(len(vectors))])
        index.add(block, ids, metadata, vectors=vectors)


def _columns(passages: Sequence[Passage]) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    return (
        [passage.id for passage in passages],
        [passage.text for passage in passages],
        [passage.metadata for passage in passages],
    )
