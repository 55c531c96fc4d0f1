"""ms-swift's rows for embedding models: messages, or the older ``query`` and ``response``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from youtu_st.errors import InputError
from youtu_st.evaluation.data.files import records
from youtu_st.evaluation.data.record import Record, RecordError, listed
from youtu_st.training.data.rows import Row
from youtu_st.training.data.sources import Sample, sample
from youtu_st.training.data.tally import Tally
from youtu_st.training.data.wanted import Wanted, are_scores

LABEL = "label"
_MESSAGES = ("messages", "positive_messages", "negative_messages")
_OLDER = ("query", "response", "rejected_response", "system")
_MEDIA = tuple(
    f"{side}{kind}" for side in ("", "positive_", "negative_") for kind in ("images", "videos", "audios")
)
_SHAPE = "must be messages with one of the role user, and at most one of the role system before it"


def suits(found: Sample) -> bool:
    """Whether a source's fields are plainly these."""
    names = set(found.names)
    return {"messages", "positive_messages"} <= names or {"query", "response"} <= names


def rows(path: Path, wanted: Wanted, tally: Tally) -> Iterator[Row]:
    """The rows of a file.

    Raises:
        InputError: If it cannot be read, or its labels may be scores or say what belongs together.
    """
    _check_labels(sample(path), wanted)
    told: set[str] = set()
    known = (*_MESSAGES, *_OLDER, *_MEDIA, LABEL)
    for record in records(path, tally.error):
        if unused := [name for name in record.values if name not in told and name not in known]:
            told.update(unused)
            tally.note(f"{record.where}: not used: {listed(unused)}")
        try:
            row = _row(record, wanted, tally)
        except RecordError as error:
            tally.error(error)
            continue
        if row is not None:
            yield row


def _check_labels(found: Sample, wanted: Wanted) -> None:
    labels = found.column(LABEL)
    if labels and wanted.task is None and not are_scores(labels):
        raise InputError(
            f"{found.path}: field {LABEL!r} is 0 or 1, a score or whether two texts belong together: "
            "say which with --task sts or --task ir"
        )


def _row(record: Record, wanted: Wanted, tally: Tally) -> Row | None:
    if media := [name for name in _MEDIA if record.values.get(name)]:
        record.fail(media[0], "must be absent: only texts are converted")
    if "messages" in record.values:
        instruction, query = _read(record, "messages", record.values["messages"])
        positives = _texts(record, "positive_messages", tally)
        negatives = _texts(record, "negative_messages", tally)
        first = "positive_messages"
    else:
        instruction = record.text("system") if record.values.get("system") else None
        query = record.text("query")
        positives, negatives = record.texts("response"), record.texts("rejected_response")
        first = "response"
    if not positives:
        record.fail(first, "must hold a text, and has none")
    if record.values.get(LABEL) is not None:
        if len(positives) > 1 or negatives:
            record.fail(LABEL, "must be absent where there are negatives, or several positives")
        return wanted.pair(record, query, positives[0], LABEL, tally, instruction=instruction)
    if wanted.task == "sts":
        record.fail(LABEL, "must be a finite number, for the task 'sts', and is missing")
    return wanted.row(wanted.task or "ir", query, positives, negatives, instruction=instruction)


def _texts(record: Record, field: str, tally: Tally) -> list[str]:
    values = record.values.get(field)
    if values is None:
        return []
    if not isinstance(values, list | tuple):
        record.fail(field, "must be a list of lists of messages", values)
    read = [_read(record, f"{field}[{i}]", value) for i, value in enumerate(values)]
    if any(instruction for instruction, _ in read):
        tally.note(
            f"{record.where}: field {field!r} has messages of the role system, which are not used: "
            "documents have the query's instruction in the task 'sts', and else none"
        )
    return [text for _, text in read]


def _read(record: Record, field: str, messages: Any) -> tuple[str | None, str]:
    """The system's message, if there is one, and the user's."""
    if not isinstance(messages, list | tuple) or not all(isinstance(each, dict) for each in messages):
        record.fail(field, _SHAPE, messages)
    roles = [message.get("role") for message in messages]
    if roles not in (["user"], ["system", "user"]):
        record.fail(field, _SHAPE, roles)
    contents = {f"{field}[{i}].content": message.get("content") for i, message in enumerate(messages)}
    read = replace(record, values=contents)
    system, user = list(contents)[:-1], list(contents)[-1]
    return (read.text(system[0]) if system and contents[system[0]] else None), read.text(user)
