"""FlagEmbedding's JSONL: ``query``, ``pos``, ``neg``, a teacher's scores, ``prompt`` and ``type``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from youtu_st.evaluation.data.files import records
from youtu_st.evaluation.data.record import Record, RecordError, listed
from youtu_st.training.data.rows import Row, Task
from youtu_st.training.data.sources import Sample
from youtu_st.training.data.tally import Tally
from youtu_st.training.data.wanted import Wanted

TYPES: dict[str, Task] = {
    "normal": "ir",
    "retrieval": "ir",
    "symmetric_class": "cls",
    "symmetric_clustering": "cls",
    "symmetric_sts": "sts",
}
"""The tasks of its types: what belongs together in ``symmetric_class`` is of one class."""
_FIELDS = ("query", "pos", "neg", "pos_scores", "neg_scores", "prompt", "type")


def suits(found: Sample) -> bool:
    """Whether a source's fields are plainly these."""
    return {"query", "pos"} <= set(found.names)


def rows(path: Path, wanted: Wanted, tally: Tally) -> Iterator[Row]:
    """The rows of a file.

    Raises:
        InputError: If it cannot be read.
    """
    told: set[str] = set()
    for record in records(path, tally.error):
        if unused := [name for name in record.values if name not in told and name not in _FIELDS]:
            told.update(unused)
            tally.note(f"{record.where}: not used: {listed(unused)}")
        try:
            yield _row(record, wanted, tally)
        except RecordError as error:
            tally.error(error)


def _row(record: Record, wanted: Wanted, tally: Tally) -> Row:
    query, positives, negatives = record.text("query"), record.texts("pos"), record.texts("neg")
    if not positives:
        record.fail("pos", "must be a list of texts, and has none")
    scores = record.numbers("pos_scores", len(positives))
    others = record.numbers("neg_scores", len(negatives))
    task = wanted.task or _task(record)
    if task == "sts" and (scores is None or (negatives and others is None)):
        if wanted.task:
            missing = "neg_scores" if scores else "pos_scores"
            record.fail(missing, "must be a list of numbers, for the task 'sts', and is missing")
        tally.note(f"{record.where}: of type symmetric_sts without scores: such rows become the task 'ir'")
        task = "ir"
    prompt = record.text("prompt") if record.values.get("prompt") else None
    return wanted.row(
        task,
        query,
        positives,
        negatives,
        instruction=prompt,
        positive_scores=scores,
        negative_scores=others,
    )


def _task(record: Record) -> Task:
    kind = record.values.get("type")
    if kind is None:
        return "ir"
    if not isinstance(kind, str) or kind not in TYPES:
        record.fail("type", f"must be one of {', '.join(TYPES)}", kind)
    return TYPES[kind]
