"""What an index gives back: stored documents, and hits with their scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from youtu_st.index.documents import Row


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document."""

    id: str
    text: str
    metadata: dict[str, Any]

    @classmethod
    def of(cls, row: Row) -> Document:
        """From a row of the database."""
        return cls(row.id, row.text, json.loads(row.metadata))


@dataclass(frozen=True, slots=True)
class Hit:
    """A document found; ``score`` is the cosine of its vector and the query's, higher is better."""

    id: str
    score: float
    text: str
    metadata: dict[str, Any]

    @classmethod
    def of(cls, row: Row, score: float) -> Hit:
        """From a row of the database."""
        return cls(row.id, score, row.text, json.loads(row.metadata))


def is_record(key: str) -> bool:
    """Whether a metadata key is a framework's own: a name between two and two underscores."""
    return len(key) > 4 and key.startswith("__") and key.endswith("__")


def without_records(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A document's metadata without what frameworks keep in it for themselves."""
    return {key: value for key, value in metadata.items() if not is_record(key)}
