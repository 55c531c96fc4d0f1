"""Keeping an index equal to files: what is new is encoded, what is gone is deleted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from youtu_st.corpus.passages import Passage, Splitter
from youtu_st.corpus.readers import read_file
from youtu_st.corpus.sources import Found
from youtu_st.corpus.spool import Spool

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder
    from youtu_st.index import VectorIndex

BLOCK = 1024
"""Passages that are encoded and committed together."""
REPORT_EVERY = 100


@dataclass(frozen=True, slots=True)
class Changes:
    """What :func:`update_index` did.

    Attributes:
        added: Passages that are new.
        updated: Passages with the same text, whose metadata changed, such as the line they stand on.
        unchanged: Passages that were there already.
        deleted: Passages that the files no longer hold.
        files: Files that hold passages.
        empty: Files that hold none.
    """

    added: int
    updated: int
    unchanged: int
    deleted: int
    files: int
    empty: int


def read_passages(
    found: Found, splitter: Splitter, spool: Spool, *, report: Callable[[int], object] | None = None
) -> None:
    """Read and split files.

    Args:
        found: The files.
        splitter: Splits them, by the tokenizer of the index's encoder.
        spool: Takes the passages.
        report: Called with the number of passages so far, now and then.

    Raises:
        InputError: If a file cannot be read.
    """
    for file in found.files:
        for passage in splitter.split(read_file(file)):
            spool.add([passage.id, passage.text, passage.metadata])
            if report is not None and len(spool) % REPORT_EVERY == 0:
                report(len(spool))


def update_index(
    index: VectorIndex, encoder: Encoder, found: Found, spool: Spool, *, show_progress: bool = False
) -> Changes:
    """Make an index hold the passages of these files, and no others of them.

    Only new texts are encoded. They are committed in blocks: when the work is interrupted, the next call goes
    on from there.

    Args:
        index: An index of ``encoder``.
        encoder: The encoder.
        found: The files.
        spool: Their passages, as :func:`read_passages` left them.
        show_progress: Show a progress bar on standard error after two seconds.

    Returns:
        What was done.

    Raises:
        IndexLockedError: If somebody else is writing to the index.
    """
    index.add([])  # become the writer before looking at what is there
    stored = frozenset(id for condition in found.owned for id in index.ids(condition))
    ids, sources = set(), set()
    for passage in _passages(spool):
        ids.add(passage.id)
        sources.add(passage.metadata["source"])
    updated = _refresh(index, (passage for passage in _passages(spool) if passage.id in stored))
    new = (passage for passage in _passages(spool) if passage.id not in stored)
    _encode(index, encoder, new, len(ids - stored), show_progress)
    return Changes(
        added=len(ids - stored),
        updated=updated,
        unchanged=len(ids & stored) - updated,
        deleted=index.delete(stored - ids),
        files=len(sources),
        empty=len(found.files) - len(sources),
    )


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
    index: VectorIndex, encoder: Encoder, passages: Iterator[Passage], total: int, show_progress: bool
) -> None:
    waiting: deque[Passage] = deque()

    def texts() -> Iterator[str]:
        for passage in passages:
            waiting.append(passage)
            yield passage.text

    blocks = encoder.iter_encode_document(texts(), block_size=BLOCK, show_progress=show_progress, total=total)
    for vectors in blocks:
        ids, block, metadata = _columns([waiting.popleft() for _ in range(len(vectors))])
        index.add(block, ids, metadata, vectors=vectors)


def _columns(passages: Sequence[Passage]) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    return (
        [passage.id for passage in passages],
        [passage.text for passage in passages],
        [passage.metadata for passage in passages],
    )
