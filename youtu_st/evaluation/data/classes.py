"""Texts with classes: a table with a column of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from youtu_st.errors import InputError
from youtu_st.evaluation.data.files import records, strictly
from youtu_st.evaluation.data.record import Record, listed
from youtu_st.evaluation.data.retrieval import digest_of

TEXTS = ("text", "sentence", "utterance")
LABELS = ("label_text", "label", "category", "intent", "class")


@dataclass(frozen=True, slots=True)
class ClassData:
    """Texts with their classes.

    Attributes:
        name: What to call them.
        texts: The texts, in the order of the file.
        labels: The class of each.
        digest: Sixteen digits over all of it.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    digest: str


def read_classes(path: Path, name: str | None = None) -> ClassData:
    """All texts of a table, with their classes.

    Args:
        path: The file: CSV, TSV, JSON lines or Parquet.
        name: What to call them; default: the file's name.

    Raises:
        InputError: If it cannot be read, has not these columns, or a row is malformed: file and line.
    """
    found = list(records(path, strictly))
    if not found:
        raise InputError(f"{path}: there is no row in it")
    text, label = fields_of(path, list(found[0].values))
    rows = [(record.text(text), label_of(record, label)) for record in found]
    texts, labels = zip(*rows, strict=True)
    return ClassData(name or path.stem, texts, labels, digest_of(rows))


def fields_of(path: Path, names: Sequence[str]) -> tuple[str, str]:
    """The columns of texts and of classes.

    Raises:
        InputError: If they are not there, or not the only ones.
    """
    texts, labels = [name for name in TEXTS if name in names], [name for name in LABELS if name in names]
    if len(texts) != 1 or not labels or (len(labels) > 1 and labels[:2] != ["label_text", "label"]):
        raise InputError(
            f"{path}: must have one column of texts ({', '.join(TEXTS)}) and one of classes "
            f"({', '.join(LABELS)}); its columns: {listed(names) or 'none'}"
        )
    return texts[0], labels[0]


def label_of(record: Record, field: str) -> str:
    """A row's class.

    Raises:
        RecordError: If it has none.
    """
    value = record.values.get(field)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        record.fail(field, "must be a class, a text or an int", value)
    return str(value) if isinstance(value, int) else record.text(field)
