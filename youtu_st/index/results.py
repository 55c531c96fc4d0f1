"""What an index gives back: stored documents, and hits with their scores."""

from __future__ import annotations

import json
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
