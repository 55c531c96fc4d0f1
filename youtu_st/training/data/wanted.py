"""What a caller wants of a conversion, and rows that are made as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from youtu_st.evaluation.data.record import Record, as_number
from youtu_st.training.data.rows import Row, Task, Text
from youtu_st.training.data.tally import Tally


@dataclass(frozen=True, slots=True)
class Wanted:
    """What rows are to be.

    Attributes:
        task: Of all rows. None: what the source plainly is.
        instruction: What the task is, for the model's template. None: what the source says, if it does.
        split: Of a source that has several, the one to read.
        seed: Of what is chosen by chance.
    """

    task: Task | None = None
    instruction: str | None = None
    split: str = "train"
    seed: int = 0

    def row(
        self,
        task: Task,
        query: str,
        positives: Sequence[str],
        negatives: Sequence[str] = (),
        *,
        instruction: str | None = None,
        **further: Any,
    ) -> Row:
        """A row, with the instruction where the task has it: on both sides of ``sts``, else on the query.

        Args:
            task: Its task.
            query: Its query, or the first sentence of a pair.
            positives: Its positives.
            negatives: Its negatives.
            instruction: What the source says that the task is; the caller's own comes first.
            **further: The other fields of :class:`Row`.
        """
        told = (instruction or "") if self.instruction is None else self.instruction
        beside = told if task == "sts" else ""
        return Row(
            task=task,
            query=Text(query, told),
            positives=tuple(Text(text, beside) for text in positives),
            negatives=tuple(Text(text, beside) for text in negatives),
            **further,
        )

    def pair(
        self, record: Record, query: str, other: str, field: str, tally: Tally, **further: Any
    ) -> Row | None:
        """A row of two texts and a number that says how alike they are, or whether they belong together.

        Args:
            record: The source's row.
            query: The first text.
            other: The second.
            field: Where the number stands.
            tally: Takes a pair that does not belong together, of a task that is no ``sts``.
            **further: As for :meth:`row`.

        Raises:
            RecordError: If there is no such number.
        """
        score, task = record.number(field), self.task or "sts"
        if task == "sts":
            return self.row(task, query, [other], positive_scores=(score,), **further)
        if score not in (0, 1):
            record.fail(field, f"must be 0 or 1 in a pair of the task {task!r}", record.values[field])
        if not score:
            tally.leave_out(record.where, f"field {field!r} is 0: the pair is no positive")
            return None
        return self.row(task, query, [other], **further)


def are_scores(values: Sequence[Any]) -> bool:
    """Whether numbers are plainly scores and no classes: all are finite, and one is no whole number."""
    numbers = list(map(as_number, values))
    return None not in numbers and any(number != int(number) for number in numbers if number is not None)
