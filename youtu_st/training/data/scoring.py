"""A teacher's scores: how well each document of a row answers its query, in a reranker's eyes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from youtu_st.errors import InputError
from youtu_st.training.data.report import Scores
from youtu_st.training.data.rows import TASKS, Row, Task
from youtu_st.training.data.writing import well_formed, writer

if TYPE_CHECKING:
    from youtu_st.rerank import Reranker

_AT_ONCE = 256
_PROBE = "Retrieve passages that answer the question"


@dataclass(frozen=True, slots=True)
class Scored:
    """What was written.

    Attributes:
        rows: Rows by their task; those of ``sts`` are written as they are: their scores are not a teacher's.
        positives: Scores of positives. None: there are none.
        negatives: Likewise of negatives.
        replaced: Rows whose scores were there before, and are others now.
        instructed: Whether the model takes the rows' instructions. False: its own stood before pairs. None:
            no row has one.
    """

    rows: Mapping[Task, int]
    positives: Scores | None
    negatives: Scores | None
    replaced: int
    instructed: bool | None


def score(
    source: Path,
    out: Path,
    reranker: Reranker,
    *,
    force: bool = False,
    report: Callable[[int], None] | None = None,
) -> Scored:
    """Write the rows of a file with a reranker's scores of ``ir`` and ``cls`` rows; memory does not grow.

    Args:
        source: A JSONL file.
        out: The file to write.
        reranker: The teacher.
        force: Write over a file that is there.
        report: Is told now and then how many rows are done.

    Raises:
        InputError: If the file cannot be read, or has no such rows, or ``out`` is there.
        RowError: If a row is malformed.
        OSError: If ``out`` cannot be written.
    """
    rows: Counter[Task] = Counter()
    teacher = _Teacher(reranker)
    replaced = 0
    with writer(out, force=force) as write:
        stream = (row for _, row in well_formed(source))
        while block := list(islice(stream, _AT_ONCE)):
            rows.update(row.task for row in block)
            replaced += sum(row.task != "sts" and row.positive_scores is not None for row in block)
            for row in teacher.scored(block):
                write(row)
            if report is not None:
                report(rows.total())
        if not rows["ir"] and not rows["cls"]:
            raise InputError(f"{source}: there are no rows of the tasks 'ir' and 'cls'")
    return Scored(
        {task: rows[task] for task in TASKS if rows[task]},
        teacher.positives,
        teacher.negatives,
        replaced=replaced,
        instructed=teacher.instructed,
    )


class _Teacher:
    """A reranker, and the scores that it gave."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self.positives: Scores | None = None
        self.negatives: Scores | None = None
        self.instructed: bool | None = None

    def scored(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Rows with their scores; those of ``sts`` as they are."""
        pairs, instructions = [], []
        for row in rows:
            if row.task != "sts":
                told = self._instruction(row)
                for text in (*row.positives, *row.negatives):
                    pairs.append((row.query.content, text.content))
                    instructions.append(told)
        scores = iter(self._reranker.score(pairs, instruction=instructions).tolist() if pairs else [])
        for row in rows:
            if row.task == "sts":
                yield row
                continue
            positives = tuple(islice(scores, len(row.positives)))
            negatives = tuple(islice(scores, len(row.negatives)))
            self.positives = Scores.of(positives, self.positives)
            self.negatives = Scores.of(negatives, self.negatives)
            yield replace(row, positive_scores=positives, negative_scores=negatives or None)

    def _instruction(self, row: Row) -> str | None:
        told = row.query.instruction or None
        if told is not None and self.instructed is None:
            try:
                self._reranker.score([("?", "?")], instruction=_PROBE)
                self.instructed = True
            except InputError:
                self.instructed = False
        return told if self.instructed else None
