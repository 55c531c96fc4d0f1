"""All rows of one store into another, each once, and whether they have arrived."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from youtu_st.errors import InputError, StoreError
from youtu_st.scale.copying.ends import open_destination, open_source
from youtu_st.scale.copying.proof import COMPARED, QUERIES, Oracle, Proof, prove, queries_between
from youtu_st.scale.copying.record import CopyRecord, same_encoder
from youtu_st.scale.copying.rows import Rows
from youtu_st.scale.copying.stores import Destination, Source
from youtu_st.scale.copying.survey import Report, silent, survey

SEED = 0


def copy_rows(
    source: str | Path, destination: str | Path, *, resume: bool = False, report: Report | None = None
) -> Proof:
    """Copy ids, texts, metadata, vectors and the record of their encoder from one store into another.

    No model is loaded. A copy that was ended at any moment goes on with ``resume``; one that is there, and is
    all there, is compared once more.

    Args:
        source: ``DIR`` (an index, or a folder from ``youtu-st embed``), ``lancedb:PATH#table``,
            ``milvus:FILE.db#collection``, ``qdrant:PATH#collection``, or a server's ``http://`` address in
            the place of file or path. Keys come from ``MILVUS_TOKEN`` and ``QDRANT_API_KEY``.
        destination: Likewise; a ``DIR`` becomes an index.
        resume: Go on with a copy that was begun.
        report: Told what is done, and of how many rows how many are done.

    Returns:
        What was compared at the end: :attr:`Proof.holds` says whether it is as it must be.

    Raises:
        InputError: If an end is not what it must be, the destination is there and ``resume`` is False, it
            holds other rows or another encoder's, or cannot hold a row: the message names the row.
        StoreError: If a store cannot be reached, or refuses.
    """
    with ExitStack() as ends:
        reading = open_source(str(source))
        ends.callback(reading.close)
        if str(source) == str(destination):
            raise InputError(f"{reading.name} is both ends: name another destination")
        writing = open_destination(str(destination))
        ends.callback(writing.close)
        return copy_opened(reading, writing, resume=resume, report=report or silent)


def copy_opened(
    source: Source, destination: Destination, *, resume: bool = False, report: Report = silent
) -> Proof:
    """As :func:`copy_rows`, of stores that are open, and stay so."""
    begun = destination.record
    if begun is not None:
        same_encoder(begun.encoder, source.encoder, destination.name)
        if not resume:
            raise InputError(
                f"{destination.name} is there already: name another, or go on with a copy that was ended "
                "with --resume"
            )
    destination.admit(source.encoder)
    found = survey(source, destination, COMPARED + 2 * QUERIES, SEED, report)
    record = CopyRecord(source.encoder, found.rows, found.digest, settings=source.settings)
    if begun is None:
        destination.create(record)
    else:
        _check_rows(begun, record, source, destination)
        destination.reopen(record)
    drawn = source.rows_of(found.drawn)
    sent = min(COMPARED, (len(drawn) + 1) // 2)  # those are compared, the others are asked with
    oracle = Oracle(queries_between(drawn.vectors[sent:] if sent < len(drawn) else drawn.vectors))
    written = _write_all(source, destination, oracle, found.rows, resumed=begun is not None, report=report)
    report("indexing", found.rows, found.rows)
    destination.finish(record.done())
    report("comparing", found.rows, found.rows)
    return prove(source, destination, oracle, drawn.at(list(range(sent))), found.rows, written)


def _write_all(
    source: Source, destination: Destination, oracle: Oracle, rows: int, *, resumed: bool, report: Report
) -> int:
    """Write all blocks of a source, and score them, while the next is read; how many were not there yet.

    Raises:
        StoreError: If these are not as many rows as were looked at.
    """
    written = done = 0
    with ThreadPoolExecutor(1) as beside:
        writing: Future[int] | None = None
        for block in source.blocks():
            written += writing.result() if writing else 0
            writing = beside.submit(_take, block, oracle, destination, resumed)
            done += len(block)
            report("copying", done, rows)
        written += writing.result() if writing else 0
    if done != rows:
        raise StoreError(
            f"{source.name} had {rows:,} rows when they were looked at, and {done:,} now: begin again"
        )
    return written


def _check_rows(begun: CopyRecord, record: CopyRecord, source: Source, destination: Destination) -> None:
    """Refuse to go on with what is a copy of something else.

    Raises:
        InputError: Saying so.
    """
    nothing = not begun.rows and not begun.finished  # an index that was ended when it was just made
    if not nothing and (begun.rows, begun.ids) != (record.rows, record.ids):
        raise InputError(
            f"{destination.name} holds, or was to hold, other rows than {source.name} has now: name another "
            "destination"
        )


def _take(rows: Rows, oracle: Oracle, destination: Destination, resumed: bool) -> int:
    """Score rows, and write those that are not there; how many these are."""
    oracle.see(rows)
    there = destination.present(rows.ids) if resumed else set()
    if there:
        rows = rows.at([place for place, id in enumerate(rows.ids) if id not in there])
    if len(rows):
        destination.write(rows)
    return len(rows)
