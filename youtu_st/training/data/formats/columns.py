"""Columns as sentence-transformers' losses take them: pairs, triplets, and pairs with a score."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from youtu_st.errors import InputError
from youtu_st.evaluation.data.files import records
from youtu_st.evaluation.data.pairs import LEFT, RIGHT, SCORES
from youtu_st.evaluation.data.record import Record, RecordError, listed
from youtu_st.training.data.rows import Row
from youtu_st.training.data.sources import Sample, sample
from youtu_st.training.data.tally import Tally
from youtu_st.training.data.wanted import Wanted, are_scores

QUERIES = ("anchor", "query", "question", *LEFT)
SECONDS = ("answer", "document", "passage", *RIGHT)
LABEL = "label"
BOTH = "scores"
"""Of a row with negatives, a teacher's: of its positives, then of its negatives."""
_POSITIVE = re.compile(r"positives?(_[0-9]+)?")
_NEGATIVE = re.compile(r"negatives?(_[0-9]+)?")


def suits(found: Sample) -> bool:
    """Whether a source's fields are plainly these."""
    names = found.names
    if "task_type" in names or not any(name in QUERIES for name in names):
        return False
    if any(_POSITIVE.fullmatch(name) for name in names):
        return True
    if not any(name in SECONDS for name in names):
        return False
    if LABEL in names:
        return are_scores(found.column(LABEL))
    if any(name in SCORES for name in names):
        return True
    return not {"sentence1", "text1"} & set(names)  # two sentences alone do not say that they belong together


def rows(path: Path, wanted: Wanted, tally: Tally) -> Iterator[Row]:
    """The rows of a file.

    Raises:
        InputError: If it cannot be read, or has not these columns.
    """
    columns = _Columns.of(sample(path), wanted)
    told: set[str] = set()
    for record in records(path, tally.error):
        if unused := [name for name in record.values if name not in told and not columns.uses(name)]:
            told.update(unused)
            tally.note(f"{record.where}: not used: {listed(unused)}")
        try:
            row = columns.row(record, wanted, tally)
        except RecordError as error:
            tally.error(error)
            continue
        if row is not None:
            yield row


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column is what."""

    query: str
    second: str | None
    score: str | None

    @classmethod
    def of(cls, found: Sample, wanted: Wanted) -> _Columns:
        names = found.names
        query = _only(found, "the query", [name for name in QUERIES if name in names])
        has_positives = any(_POSITIVE.fullmatch(name) for name in names)
        seconds = [name for name in SECONDS if name in names]
        if query is None or not (has_positives or seconds):
            raise InputError(
                f"{found.path}: must have a column {', '.join(QUERIES)} and a column positive, "
                f"{', '.join(SECONDS)}; its columns: {listed(names) or 'none'}"
            )
        if has_positives:
            return cls(query, None, None)
        score = _only(found, "the score", [name for name in (*SCORES, LABEL) if name in names])
        if wanted.task == "sts" and score is None:
            raise InputError(
                f"{found.path}: the task 'sts' must have a column {', '.join((*SCORES, LABEL))}; "
                f"its columns: {listed(names)}"
            )
        return cls(query, _only(found, "the second text", seconds), score)

    def uses(self, name: str) -> bool:
        if name in (self.query, self.second, self.score):
            return True
        beside = _NEGATIVE.fullmatch(name) or name == BOTH
        return self.score is None and bool(beside or (self.second is None and _POSITIVE.fullmatch(name)))

    def row(self, record: Record, wanted: Wanted, tally: Tally) -> Row | None:
        query = record.text(self.query)
        if self.score is not None and self.second is not None:
            return wanted.pair(record, query, record.text(self.second), self.score, tally)
        positives = [record.text(self.second)] if self.second else _all(record, _POSITIVE)
        if not positives:
            record.fail("positive", "must be a text, and is missing")
        negatives = _all(record, _NEGATIVE)
        scores = record.numbers(BOTH, len(positives) + len(negatives))
        task = wanted.task or "ir"
        if task == "sts" and scores is None:
            record.fail(BOTH, "must be a list of numbers, for the task 'sts', and is missing")
        first, others = (None, None) if scores is None else _split(scores, len(positives))
        return wanted.row(
            task, query, positives, negatives, positive_scores=first, negative_scores=others or None
        )


def _split(scores: Sequence[float], at: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(scores[:at]), tuple(scores[at:])


def _all(record: Record, pattern: re.Pattern[str]) -> list[str]:
    names = [name for name in record.values if pattern.fullmatch(name)]
    return [text for name in names for text in record.texts(name)]


def _only(found: Sample, what: str, names: Sequence[str]) -> str | None:
    if len(names) > 1:
        raise InputError(f"{found.path}: {what} may be any of the columns {', '.join(names)}: keep one")
    return names[0] if names else None
