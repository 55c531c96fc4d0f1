"""STS Benchmark's own files: no header, no quotes, tabs between genre, file, year, id, score, sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from youtu_st.errors import InputError
from youtu_st.evaluation.data.pairs import is_sts_benchmark as suits
from youtu_st.evaluation.data.pairs import sts_benchmark
from youtu_st.evaluation.data.record import RecordError
from youtu_st.training.data.rows import Row
from youtu_st.training.data.tally import Tally
from youtu_st.training.data.wanted import Wanted

__all__ = ["rows", "suits"]


def rows(path: Path, wanted: Wanted, tally: Tally) -> Iterator[Row]:
    """The rows of a file.

    Raises:
        InputError: If it cannot be read, or the task is another.
    """
    if wanted.task not in (None, "sts"):
        raise InputError(f"{path}: STS Benchmark is the task 'sts', not {wanted.task!r}")
    for record in sts_benchmark(path, tally.error):
        try:
            pair = record.text("sentence1"), record.text("sentence2")
            scores = (record.number("score"),)
        except RecordError as error:
            tally.error(error)
            continue
        yield wanted.row("sts", pair[0], [pair[1]], positive_scores=scores)
