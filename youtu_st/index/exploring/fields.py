"""What documents' metadata says, field by field."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from youtu_st.errors import printable
from youtu_st.index.results import is_record

MOST_FIELDS = 24
LONGEST = 160
FIRST = "source"
_FEW = 8
"""Numbers of so few values are told apart like names."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the metadata of some documents.

    Attributes:
        key: As the metadata has it.
        labels: Its values as they are shown, each once.
        of: For each document, which label it has; -1 where it has none.
        numbers: The values themselves, as many as labels, where all are numbers and of many values.
    """

    key: str
    labels: list[str]
    of: list[int]
    numbers: list[float] | None


def fields_of(metadata: Sequence[Mapping[str, Any]], first: str = FIRST) -> list[Field]:
    """The fields that most documents have, ``first`` before the others; not those of frameworks' records."""
    counts = Counter(key for one in metadata for key in one if not is_record(key))
    keys = sorted(counts, key=lambda key: (key != first, key != FIRST, -counts[key], key))
    return [_field(key, metadata) for key in keys[:MOST_FIELDS]]


def _field(key: str, metadata: Sequence[Mapping[str, Any]]) -> Field:
    labels: dict[str, int] = {}
    values: list[Any] = []
    of = []
    for one in metadata:
        if key not in one:
            of.append(-1)
            continue
        label = shown(one[key])
        if label not in labels:
            labels[label] = len(labels)
            values.append(one[key])
        of.append(labels[label])
    return Field(key, list(labels), of, _numbers(values))


def shown(value: Any, longest: int = LONGEST) -> str:
    """A value of metadata in one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text[: 4 * longest].split())
    return printable(text if len(text) <= longest else f"{text[:longest]}…")


def _numbers(values: Iterable[Any]) -> list[float] | None:
    found = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        if not math.isfinite(number):
            return None
        found.append(number)
    return found if len(found) > _FEW else None
