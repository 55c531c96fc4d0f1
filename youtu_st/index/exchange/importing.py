"""An index from documents that another library has encoded: their vectors, where they are this encoder's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from youtu_st.errors import (
    IndexMismatchError,
    InputError,
    brief,
    counted,
    printable,
)
from youtu_st.index.agreement import Agreement, compare_vectors, spread
from youtu_st.index.exchange.place import check_empty, made_beside
from youtu_st.index.exchange.rows import Part, Source
from youtu_st.index.inputs import check_batch
from youtu_st.index.store import VectorIndex
from youtu_st.inputs import unit_rows
from youtu_st.protocol import TextEncoder, Vectors

Report = Callable[[str, int, int], None]
"""Told what is done now, how many documents are through, and of how many."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has done.

    Attributes:
        documents: How many the index has.
        agreement: How the vectors that were taken over agree with the encoder's; None: all were encoded, or
            there are none.
    """

    documents: int
    agreement: Agreement | None


@dataclass(slots=True)
class _Probes:
    """The documents that are encoded again."""

    texts: list[str]
    encoded: list[str]
    vectors: list[Vectors]


def import_index(
    source: Source,
    out: str | Path,
    encoder: TextEncoder,
    *,
    encode: bool = False,
    factory: str = "Flat",
    report: Report = lambda what, done, total: None,
) -> Imported:
    """Make an index of a source's documents.

    All of it is read and checked first. Then at most twenty texts, spread over the collection, are encoded
    again as documents: where each cosine is at least 0.999, the vectors are taken over, as unit rows. The
    index is made beside ``out`` and takes that name when it is whole.

    Args:
        source: What :func:`open_source` gave.
        out: The directory, which must be new or empty.
        encoder: The encoder of the index.
        encode: Encode all texts instead, and use no vectors.
        factory: As for :meth:`VectorIndex.create`.
        report: Told how far it is.

    Returns:
        What was done.

    Raises:
        IndexExistsError: If ``out`` holds anything.
        InputError: If a document is not fit for an index: the message names its position.
        IndexMismatchError: If the vectors are not the encoder's: the message says how far off they are, and
            what it would cost to encode the texts again.
    """
    out = Path(out)
    check_empty(out)
    _check_lengths(source, encoder, encode)
    probes = _check(source, report, encode)
    agreement = None if encode or not probes.texts else _compare(source, encoder, probes)
    with made_beside(out) as built, VectorIndex.create(built, encoder, factory) as index:
        done = 0
        for part in source.parts():
            vectors = _encoded(encoder, part) if encode else part.vectors
            index.add(part.texts, part.ids, part.metadata, vectors=vectors)
            done += len(part.ids)
            report("encoding" if encode else "writing", done, source.count)
    return Imported(done, agreement)


def _encoded(encoder: TextEncoder, part: Part) -> Vectors:
    return encoder.encode_document(part.texts if part.encoded is None else part.encoded)


def _check_lengths(source: Source, encoder: TextEncoder, encode: bool) -> None:
    """Refuse a source whose vectors have another length; without documents, few kinds say which."""
    if not source.count and source.dimension is None:
        return
    if not encode and source.dimension != encoder.dimension:
        has = "no vectors" if source.dimension is None else f"vectors of {source.dimension} numbers"
        raise IndexMismatchError(
            f"{printable(source.name)} has {has}, and those of {brief(encoder.model_name)} have "
            f"{encoder.dimension}: name the model that made them (--model), or encode "
            f"{counted(source.count, 'text')} again: encode=True (--encode)"
        )


def _check(source: Source, report: Report, encode: bool) -> _Probes:
    """Look at every document, so that nothing is begun that cannot be ended."""
    probes, chosen = _Probes([], [], []), set(spread(source.count))
    seen: dict[str, int] = {}
    first = 0
    for part in source.parts():
        for place, id in enumerate(part.ids, start=first):
            if (before := seen.setdefault(id, place)) != place:
                raise InputError(
                    f"{printable(source.name)}: documents {before} and {place} have the same id {brief(id)}"
                )
        _check_documents(source, part, first)
        if not encode:
            _check_vectors(source, part, first)
        for row in sorted(chosen & set(range(first, first + len(part.ids)))):
            probes.texts.append(part.texts[row - first])
            probes.encoded.append((part.texts if part.encoded is None else part.encoded)[row - first])
            if part.vectors is not None and not encode:
                probes.vectors.append(part.vectors[row - first])
        first += len(part.ids)
        report("reading", first, source.count)
    return probes


def _check_documents(source: Source, part: Part, first: int) -> None:
    """What an index refuses, with the position in the whole source."""
    try:
        check_batch(part.texts, part.ids, part.metadata)
    except InputError:
        for row in range(len(part.ids)):
            one = slice(row, row + 1)
            try:
                check_batch(part.texts[one], part.ids[one], part.metadata[one])
            except InputError as error:
                told = str(error)
                for noun in ("text", "id", "metadata"):  # of one, which needs no number
                    told = (
                        told.replace(f"{noun} 0", f"its {noun}", 1) if told.startswith(f"{noun} 0") else told
                    )
                where = f"document {first + row}, {brief(part.ids[row])}"
                raise InputError(f"{printable(source.name)}: {where}: {told}") from error
        raise


def _check_vectors(source: Source, part: Part, first: int) -> None:
    rows = part.vectors
    assert rows is not None, "a source that has a dimension has vectors"
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(squares) | (squares == 0))
    if len(bad):
        row = int(bad[0])
        kind = "all zeros" if np.isfinite(rows[row]).all() else "not finite"
        where = f"document {first + row}, {brief(part.ids[row])}"
        raise InputError(
            f"{printable(source.name)}: {where}: its vector must have a direction, and is {kind}"
        )


def _compare(source: Source, encoder: TextEncoder, probes: _Probes) -> Agreement:
    """How the vectors agree with the encoder's.

    Raises:
        IndexMismatchError: If they do not.
    """
    rows = unit_rows(np.array(probes.vectors), (len(probes.vectors), encoder.dimension), "vectors")
    found = compare_vectors(encoder, probes.encoded, rows)
    if not found.holds and probes.encoded != probes.texts:
        plain = compare_vectors(encoder, probes.texts, rows)  # of the texts alone, as some users have it
        found = plain if plain.holds or plain.alike else found
    if not found.holds:
        rate = found.count / max(found.seconds, 1e-6)
        raise IndexMismatchError(
            f"the vectors in {printable(source.name)} are not those of {brief(encoder.model_name)}: {found}; "
            f"name the model that made them (--model), or encode {counted(source.count, 'text')} again, "
            f"which at {rate:,.0f} texts/s takes about {_duration(source.count / rate)}: encode=True "
            "(--encode)"
        )
    return found


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}s"
    return counted(max(1, round(seconds)), "second")
