"""Hard negatives: documents that a model finds near to a query, and that do not answer it."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.errors import InputError
from youtu_st.index.nearest._faiss import faiss
from youtu_st.inputs import check_count, check_share
from youtu_st.protocol import TextEncoder, Vectors
from youtu_st.training.data.rows import TASKS, Row, Task, Text
from youtu_st.training.data.seen import digest
from youtu_st.training.data.stored import Stored
from youtu_st.training.data.writing import well_formed, writer

KNOWN = "a positive of the query"
ITSELF = "the query itself"
THERE = "a negative already"
NEAREST = "among the nearest, which range_min leaves out"
ABOVE = "above max_relative of the positive's score"
_AT_ONCE = 1024
_BINS = 20
"""Of the histogram, to a score of 1."""
_PROBE = "Retrieve passages that answer the question"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which documents become negatives of a query.

    Attributes:
        negatives: Most that a row gets.
        range_min: So many of the nearest are left out, which may answer the query though nobody said so.
        range_max: Only so many of the nearest are looked at, those left out among them.
        max_relative: From 0 to 1: a document must score no more than this share of the lowest score of the
            row's positives, which is NV-Retriever's rule. 1: no more than the positive.

    Raises:
        InputError: If a number is out of range.
    """

    negatives: int = 8
    range_min: int = 10
    range_max: int = 100
    max_relative: float = 0.95

    def __post_init__(self) -> None:
        check_count("negatives", self.negatives)
        check_count("range_max", self.range_max)
        check_share("max_relative", self.max_relative)
        if isinstance(self.range_min, bool) or not isinstance(self.range_min, int) or self.range_min < 0:
            raise InputError(f"range_min must be an int of at least 0, not {self.range_min!r}")
        if self.range_min >= self.range_max:
            raise InputError(f"range_min must be less than range_max, {self.range_max}, not {self.range_min}")

    def highest(self, positive: float) -> float:
        """The score that a negative may have at most, beside a positive's, which may be below 0."""
        return positive - (1 - self.max_relative) * abs(positive)

    def of(
        self, ranked: Iterable[tuple[int, float]], barred: Mapping[int, str], positive: float
    ) -> Iterator[tuple[int, float, str | None]]:
        """What becomes of the documents that are near to a query, until there are enough negatives.

        Args:
            ranked: Documents with their scores, the nearest first.
            barred: Documents that are no negatives of it, with the reason: they take no place in the range.
            positive: The lowest score of its positives.

        Returns:
            Each document with its score, and the reason why it is none. None: it is a negative.
        """
        place = kept = 0
        highest = self.highest(positive)
        for number, score in ranked:
            if number in barred:
                yield number, score, barred[number]
                continue
            if place >= self.range_max:
                return
            place += 1
            reason = NEAREST if place <= self.range_min else ABOVE if score > highest else None
            yield number, score, reason
            kept += reason is None
            if kept == self.negatives:
                return


@dataclass(frozen=True, slots=True)
class Bin:
    """How many scores are from ``low`` up to ``high``: of positives, and of negatives that were found."""

    low: float
    high: float
    positives: int
    negatives: int


@dataclass(frozen=True, slots=True)
class Mined:
    """What was found.

    Attributes:
        rows: Rows by their task; those of other tasks than ``ir`` are written as they are.
        documents: Different documents of the file, among which was looked.
        negatives: Negatives that were found.
        short: Rows that got fewer than were asked for.
        rejected: Documents that were looked at and did not become negatives, by reason.
        histogram: Cosines of queries with their positives and the negatives that were found, ascending.
        instructed: Whether the model takes the rows' instructions. False: its own prompt stood before
            queries. None: no row has one.
    """

    rows: Mapping[Task, int]
    documents: int
    negatives: int
    short: int
    rejected: Mapping[str, int]
    histogram: tuple[Bin, ...]
    instructed: bool | None


def mine(
    source: Path,
    out: Path,
    encoder: TextEncoder,
    *,
    choice: Choice | None = None,
    force: bool = False,
    report: Callable[[str], None] | None = None,
) -> Mined:
    """Write the rows of a file with hard negatives: those that they have, then those that are found.

    Among the documents of all its ``ir`` rows, the nearest to each query are looked at. Queries are encoded
    with their row's instruction, documents as documents. A document is no negative of any row with the same
    query, in another row's positives or not; memory has the documents' vectors, and no text.

    Args:
        source: A JSONL file.
        out: The file to write.
        encoder: The model.
        choice: Which documents become negatives.
        force: Write over a file that is there.
        report: Is told now and then what is done.

    Raises:
        InputError: If the file cannot be read, or has no ``ir`` rows, or a row has a teacher's scores, which
            what is found would not have, or ``out`` is there.
        RowError: If a row is malformed.
        OSError: If ``out`` cannot be written.
    """
    with ExitStack() as stack:
        write = stack.enter_context(writer(out, force=force))
        corpus = _Corpus(stack.enter_context(Stored()))
        rows: Counter[Task] = Counter()
        instruction = ""
        for line, row in well_formed(source):
            rows[row.task] += 1
            if row.task == "ir":
                _check_bare(f"{source}, line {line}", row)
                corpus.add(row)
                instruction = instruction or row.query.instruction
        if not rows["ir"]:
            raise InputError(f"{source}: there are no rows of the task 'ir'")
        told = report or (lambda message: None)
        instructed = takes_instructions(encoder) if instruction else None
        search = _Search(encoder, corpus, choice or Choice(), instructed=bool(instructed))
        search.encode_documents(told)
        stream = (row for _, row in well_formed(source))
        done = 0
        while block := list(islice(stream, _AT_ONCE)):
            for row in search.mined(block):
                write(row)
            done += len(block)
            told(f"{done:,} of {rows.total():,} rows")
    return search.result({task: rows[task] for task in TASKS if rows[task]}, instructed)


def _check_bare(where: str, row: Row) -> None:
    for name in ("positive_scores", "negative_scores", "negative_labels"):
        if getattr(row, name) is not None:
            raise InputError(
                f"{where}: field {name!r} must be absent, for negatives that are found have none: look for "
                "negatives first, and let a teacher score them after: youtu-st data score"
            )


def takes_instructions(encoder: TextEncoder) -> bool:
    """Whether an encoder takes a row's instruction before a query."""
    try:
        encoder.encode_query(["?"], instruction=_PROBE)
    except InputError:
        return False
    return True


class _Corpus:
    """The documents of some rows, each once, and which of them are positives of a query."""

    def __init__(self, texts: Stored) -> None:
        self._texts = texts
        self._prefaces = array("q")
        self._numbers: dict[int, int] = {}
        self._known: dict[int, set[int]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, row: Row) -> None:
        """Take a row's documents."""
        known = self._known.setdefault(digest(row.query.content), set())
        known.update(map(self._add, row.positives))
        for text in row.negatives:
            self._add(text)

    def _add(self, text: Text) -> int:
        key = digest(text.content)
        if key not in self._numbers:
            self._numbers[key] = self._texts.add(text.content)
            self._prefaces.append(len(text.preface))
        return self._numbers[key]

    def contents(self) -> Iterator[str]:
        """What is encoded."""
        return (self._texts[number] for number in range(len(self)))

    def text(self, number: int) -> Text:
        """A document, without an instruction: those of ``ir`` have none."""
        content, border = self._texts[number], self._prefaces[number]
        return Text(content[border:], preface=content[:border])

    def numbers(self, texts: Sequence[Text]) -> list[int]:
        """The numbers of documents that were taken."""
        return [self._numbers[digest(text.content)] for text in texts]

    def barred(self, row: Row) -> dict[int, str]:
        """Documents that are no new negatives of a row's query, with the reason."""
        barred = dict.fromkeys(self.numbers(row.negatives), THERE)
        itself = self._numbers.get(digest(row.query.content))
        if itself is not None:
            barred[itself] = ITSELF
        return {**barred, **dict.fromkeys(self._known[digest(row.query.content)], KNOWN)}


class _Search:
    """Exact search among the documents."""

    def __init__(self, encoder: TextEncoder, corpus: _Corpus, choice: Choice, *, instructed: bool) -> None:
        self._encoder, self._corpus, self._choice = encoder, corpus, choice
        self._instructed = instructed
        self._index: Any = faiss.IndexFlatIP(encoder.dimension)
        self._rejected: Counter[str] = Counter()
        self._bins: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        self._short = 0

    def encode_documents(self, told: Callable[[str], None]) -> None:
        contents = self._corpus.contents()
        while block := list(islice(contents, _AT_ONCE)):
            self._index.add(self._encoder.encode_document(block))
            told(f"{self._index.ntotal:,} of {len(self._corpus):,} documents")

    def mined(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Rows with what is found for those of ``ir``."""
        asking = [row for row in rows if row.task == "ir"]
        found = iter(self._found(asking)) if asking else iter(())
        for row in rows:
            yield replace(row, negatives=(*row.negatives, *next(found))) if row.task == "ir" else row

    def _found(self, rows: Sequence[Row]) -> Iterator[tuple[Text, ...]]:
        instructions = [(row.query.instruction or None) if self._instructed else None for row in rows]
        queries = self._encoder.encode_query([row.query.content for row in rows], instruction=instructions)
        barred = list(map(self._corpus.barred, rows))
        most = self._choice.range_max + max(map(len, barred))
        scores, numbers = self._index.search(queries, min(most, len(self._corpus)))
        for i, row in enumerate(rows):
            ranked = zip(numbers[i].tolist(), scores[i].tolist(), strict=True)
            yield self._of(row, queries[i], ranked, barred[i])

    def _of(
        self, row: Row, query: Vectors, ranked: Iterable[tuple[int, float]], barred: Mapping[int, str]
    ) -> tuple[Text, ...]:
        positives = self._index.reconstruct_batch(np.array(self._corpus.numbers(row.positives))) @ query
        self._bins[0].update(map(_bin, positives.tolist()))
        kept = []
        for number, score, reason in self._choice.of(ranked, barred, float(positives.min())):
            if reason is None:
                kept.append(self._corpus.text(number))
                self._bins[1][_bin(score)] += 1
            else:
                self._rejected[reason] += 1
        self._short += len(kept) < self._choice.negatives
        return tuple(kept)

    def result(self, rows: Mapping[Task, int], instructed: bool | None) -> Mined:
        places = sorted(self._bins[0] | self._bins[1])
        return Mined(
            rows=rows,
            documents=len(self._corpus),
            negatives=self._bins[1].total(),
            short=self._short,
            rejected=dict(self._rejected.most_common()),
            histogram=tuple(
                Bin(i / _BINS, (i + 1) / _BINS, self._bins[0][i], self._bins[1][i])
                for i in range(places[0], places[-1] + 1)
            ),
            instructed=instructed,
        )


def _bin(score: float) -> int:
    return min(math.floor(score * _BINS), _BINS - 1)  # a cosine of 1 is in the last
