"""Pairs of sentences with a score: STS Benchmark's own files, and tables with named columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from youtu_st.errors import InputError
from youtu_st.evaluation.data.files import Refuse, lines, opened, records, strictly
from youtu_st.evaluation.data.record import Record, RecordError, as_number, listed, place
from youtu_st.evaluation.data.retrieval import digest_of

FIELDS = ("genre", "file", "year", "id", "score", "sentence1", "sentence2")
"""STS Benchmark's, without a header and without quotes. Two more may follow, the sentences' sources."""
LEFT, RIGHT = ("sentence1", "text1"), ("sentence2", "text2")
SCORES = ("score", "similarity", "similarity_score")


@dataclass(frozen=True, slots=True)
class PairData:
    """Pairs of sentences, and how alike people found them.

    Attributes:
        name: What to call them.
        left: The first sentences.
        right: The second ones.
        scores: The scores.
        digest: Sixteen digits over all of it.
    """

    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    scores: tuple[float, ...]
    digest: str


def read_pairs(path: Path, name: str | None = None) -> PairData:
    """All pairs of a file: STS Benchmark's own layout, or ``sentence1``, ``sentence2`` and ``score``.

    Args:
        path: The file; with named columns JSON lines, CSV, TSV or Parquet.
        name: What to call them; default: the file's name.

    Raises:
        InputError: If it cannot be read, has not these columns, or a row is malformed: file and line.
    """
    found = list(sts_benchmark(path, strictly) if is_sts_benchmark(path) else records(path, strictly))
    if not found:
        raise InputError(f"{path}: there is no pair in it")
    names = list(found[0].values)
    left, right, score = (_only(path, names, allowed) for allowed in (LEFT, RIGHT, SCORES))
    rows = [(one.text(left), one.text(right), one.number(score)) for one in found]
    firsts, seconds, scores = zip(*rows, strict=True)
    return PairData(name or path.stem, firsts, seconds, scores, digest_of(rows))


def is_sts_benchmark(path: Path) -> bool:
    """Whether the first line is plainly one of STS Benchmark's own.

    Raises:
        InputError: If the file cannot be read.
    """
    with opened(path) as file:
        _, first = next(lines(file, path), (0, b""))
    cells = first.decode(errors="replace").split("\t")
    return len(cells) >= len(FIELDS) and as_number(cells[4]) is not None and as_number(cells[0]) is None


def sts_benchmark(path: Path, refuse: Refuse) -> Iterator[Record]:
    """The rows of STS Benchmark's own files, by :data:`FIELDS`.

    Args:
        path: The file.
        refuse: Called with what is wrong with a malformed row.

    Raises:
        InputError: If it cannot be read.
    """
    with opened(path) as file:
        for number, line in lines(file, path):
            if not line.strip():
                continue
            try:
                record = _cells(place(path, number), number, line)
            except RecordError as error:
                refuse(error)
                continue
            yield record


def _cells(where: str, number: int, line: bytes) -> Record:
    try:
        cells = line.decode().rstrip("\r\n").split("\t")
    except UnicodeDecodeError as error:
        raise RecordError(where, "must be UTF-8", f", and byte {error.start + 1} is not") from error
    if len(cells) < len(FIELDS):
        raise RecordError(where, f"must have the fields {', '.join(FIELDS)}", f", not {len(cells)} fields")
    return Record(number, where, dict(zip(FIELDS, cells, strict=False)))


def _only(path: Path, names: list[str], allowed: tuple[str, ...]) -> str:
    found = [name for name in allowed if name in names]
    if len(found) != 1:
        raise InputError(
            f"{path}: must have one column {' or '.join(allowed)}; its columns: {listed(names) or 'none'}"
        )
    return found[0]
