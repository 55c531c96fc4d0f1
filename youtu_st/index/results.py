"""What an index gives back: stored documents, and hits with their scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from youtu_st.errors import IndexDamagedError
from youtu_st.index.filtering.times import TIMES, revive
from youtu_st.index.shown import facts_table, hits_table
from youtu_st.index.storage.rows import Row


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document."""

    id: str
    text: str
    metadata: dict[str, Any]

    @classmethod
    def of(cls, row: Row) -> Document:
        """From a row of the database."""
        return cls(row.id, row.text, _metadata(row))

    def _repr_html_(self) -> str:
        return facts_table([("id", self.id), *without_records(self.metadata).items(), ("text", self.text)])


@dataclass(frozen=True, slots=True)
class Hit:
    """A document found.

    Attributes:
        id: Its id.
        score: Higher is better. The cosine of its vector and the query's in a search by meaning, else what
            the first of ``scores`` says.
        text: Its text.
        metadata: Its metadata.
        scores: What the score was made of, by name: ``cosine``, ``bm25``, and where both were asked for the
            fusion (``rrf`` or ``weighted_sum``) and the ranks ``dense_rank`` and ``lexical_rank``, from 1.
            What did not find it has no entry.
    """

    id: str
    score: float
    text: str
    metadata: dict[str, Any]
    scores: Mapping[str, float] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, row: Row, score: float, scores: Mapping[str, float] | None = None) -> Hit:
        """From a row of the database; ``scores`` is by default the cosine."""
        return cls(
            row.id, score, row.text, _metadata(row), {"cosine": score} if scores is None else dict(scores)
        )

    def _repr_html_(self) -> str:
        return hits_table([self])


def _metadata(row: Row) -> dict[str, Any]:
    """Parsed, whatever somebody has written there.

    Raises:
        IndexDamagedError: If it is no JSON object.
    """
    try:
        metadata = json.loads(row.metadata)
    except (ValueError, RecursionError) as error:
        raise IndexDamagedError(
            f"the metadata of document {row.key} is no JSON: {str(error)[:200]}"
        ) from error
    if not isinstance(metadata, dict):
        raise IndexDamagedError(f"the metadata of document {row.key} is no JSON object")
    return metadata


def is_record(key: str) -> bool:
    """Whether a metadata key is a framework's own: a name between two and two underscores."""
    return len(key) > 4 and key.startswith("__") and key.endswith("__")


def without_records(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A document's metadata without what frameworks keep in it for themselves."""
    return {key: value for key, value in metadata.items() if not is_record(key)}


def as_given(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A document's metadata as it was handed in: without records, and with times as times, not as texts."""
    plain = without_records(metadata)
    if paths := metadata.get(TIMES):
        plain = deepcopy(plain)  # a time may stand in a list that is the document's
        revive(plain, paths)
    return plain
