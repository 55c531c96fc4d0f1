"""Natural language inference: what follows from a premise is its positive, what contradicts it a negative."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import xxhash

from youtu_st.errors import InputError
from youtu_st.evaluation.data.files import records
from youtu_st.evaluation.data.record import Record, RecordError, listed, place
from youtu_st.training.data.rows import Row
from youtu_st.training.data.sources import Sample, sample
from youtu_st.training.data.stored import Stored
from youtu_st.training.data.tally import Tally
from youtu_st.training.data.wanted import Wanted

CLASSES = ("entailment", "neutral", "contradiction")
"""As their numbers are in the data sets that have numbers, from 0."""
UNDECIDED = ("-", "-1", "")
_PREMISES, _HYPOTHESES, _LABELS = (
    ("premise", "sentence1"),
    ("hypothesis", "sentence2"),
    ("label", "gold_label"),
)
_ENTAILED, _NEUTRAL, _CONTRADICTED = range(3)


def suits(found: Sample) -> bool:
    """Whether a source's fields are plainly these."""
    names = found.names
    if {"premise", "hypothesis"} <= set(names):
        return any(name in names for name in _LABELS)
    labels = [value for name in _LABELS for value in found.column(name)]
    is_pair = {"sentence1", "sentence2"} <= set(names)
    return is_pair and bool(labels) and all(label in (*CLASSES, "-") for label in labels)


def rows(path: Path, wanted: Wanted, tally: Tally) -> Iterator[Row]:
    """A row for each premise from which something follows, in the order in which premises first come.

    Memory has a few numbers for each row, and no text.

    Raises:
        InputError: If the file cannot be read, or has not these columns, or the task is ``sts``.
    """
    if wanted.task == "sts":
        raise InputError(f"{path}: the task 'sts' must have scores, and nli has classes: use ir or cls")
    fields = _fields(sample(path))
    groups: dict[
        bytes, array[int]
    ] = {}  # a premise's number, then of each hypothesis: its own, its class, its row
    with Stored() as texts:
        for record in records(path, tally.error):
            try:
                premise, hypothesis, kind = _read(record, fields)
            except RecordError as error:
                tally.error(error)
                continue
            if kind is None or kind == _NEUTRAL:
                tally.leave_out(record.where, "without a label" if kind is None else "neutral")
                continue
            group = groups.get(key := xxhash.xxh3_128_digest(premise.encode()))
            if group is None:
                group = groups[key] = array("q", [texts.add(premise)])
            group.extend((texts.add(hypothesis), kind, record.line))
        for group in groups.values():
            row = _row(path, group, texts, wanted, tally)
            if row is not None:
                yield row


def _fields(found: Sample) -> tuple[str, str, str]:
    names = found.names
    chosen = [
        next((name for name in allowed if name in names), None)
        for allowed in (_PREMISES, _HYPOTHESES, _LABELS)
    ]
    premise, hypothesis, label = chosen
    if premise is None or hypothesis is None or label is None:
        raise InputError(
            f"{found.path}: must have columns {' or '.join(_PREMISES)}, {' or '.join(_HYPOTHESES)} and "
            f"{' or '.join(_LABELS)}; its columns: {listed(names) or 'none'}"
        )
    return premise, hypothesis, label


def _read(record: Record, fields: tuple[str, str, str]) -> tuple[str, str, int | None]:
    label = record.values.get(fields[2])
    told = str(label).strip() if isinstance(label, str | int) and not isinstance(label, bool) else None
    if label is None or told in UNDECIDED:
        return record.text(fields[0]), record.text(fields[1]), None
    known = [told in (name, str(number)) for number, name in enumerate(CLASSES)]
    if not any(known):
        record.fail(fields[2], f"must be {', '.join(CLASSES)}, or 0, 1, 2", label)
    return record.text(fields[0]), record.text(fields[1]), known.index(True)


def _row(path: Path, group: array[int], texts: Stored, wanted: Wanted, tally: Tally) -> Row | None:
    found: tuple[dict[str, int], dict[str, int]] = ({}, {})  # each text once, in order, with its row
    for number, kind, row in zip(group[1::3], group[2::3], group[3::3], strict=True):
        of_kind, text = found[kind == _CONTRADICTED], texts[number]
        if text in of_kind:
            tally.leave_out(place(path, row), "the same premise, hypothesis and label again")
        of_kind.setdefault(text, row)
    entailed, contradicted = found
    for text in [text for text in contradicted if text in entailed]:
        tally.leave_out(place(path, contradicted.pop(text)), "a contradiction that also follows")
    if not entailed:
        for row in contradicted.values():
            tally.leave_out(place(path, row), "a contradiction of a premise from which nothing follows")
        return None
    return wanted.row(wanted.task or "ir", texts[group[0]], list(entailed), list(contradicted))
