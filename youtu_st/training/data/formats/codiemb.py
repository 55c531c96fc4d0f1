"""CoDiEmb's own rows, as they are, or of another task or with another instruction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from youtu_st.evaluation.data.record import RecordError
from youtu_st.training.data.rows import Row, RowError, Text, read_rows
from youtu_st.training.data.sources import Sample
from youtu_st.training.data.tally import Tally
from youtu_st.training.data.wanted import Wanted


def suits(found: Sample) -> bool:
    """Whether a source's fields are plainly these."""
    return {"task_type", "query", "positives"} <= set(found.names)


def rows(path: Path, wanted: Wanted, tally: Tally) -> Iterator[Row]:
    """The rows of a file.

    Raises:
        InputError: If it cannot be read.
    """
    for line, row in read_rows(path):
        try:
            if isinstance(row, RowError):
                raise row
            yield _as_wanted(f"{path}, line {line}", row, wanted)
        except RowError as error:
            tally.error(error)


def _as_wanted(where: str, row: Row, wanted: Wanted) -> Row:
    task = wanted.task or row.task
    lacking = row.positive_scores is None or (row.negatives and row.negative_scores is None)
    if task == "sts" and lacking:
        raise RecordError(where, "must have a score for each text, for the task 'sts'")
    told = wanted.instruction
    if told is None:
        return replace(row, task=task)

    def instructed(text: Text) -> Text:
        return replace(text, instruction=told if task == "sts" else text.instruction)

    return replace(
        row,
        task=task,
        query=replace(row.query, instruction=told),
        positives=tuple(map(instructed, row.positives)),
        negatives=tuple(map(instructed, row.negatives)),
    )
