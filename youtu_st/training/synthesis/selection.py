"""Rows of a file, and which of them a chat model is asked about: the same at every reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from youtu_st.errors import InputError
from youtu_st.inputs import check_count
from youtu_st.training.data.rows import Row, Text, dump
from youtu_st.training.data.seen import digest
from youtu_st.training.data.writing import well_formed
from youtu_st.training.synthesis.prompts import Synthesis, left_alone

AGAIN = "the same row was there before"
LIMIT = "beyond the limit"


@dataclass(frozen=True, slots=True)
class Selected:
    """A row, its line, from 1, and why it is not asked about. None: it is."""

    line: int
    row: Row
    alone: str | None


class Selection:
    """The rows of a file.

    Args:
        source: A JSONL file.
        synthesis: What is asked.
        limit: So many rows are asked about at most, the first. None: all.

    Raises:
        InputError: If the limit is none.
    """

    def __init__(self, source: Path, synthesis: Synthesis, limit: int | None = None) -> None:
        if limit is not None:
            check_count("limit", limit)
        self.source, self.synthesis, self._limit = source, synthesis, limit

    def __iter__(self) -> Iterator[Selected]:
        """Every row of the file.

        Raises:
            InputError: If the file cannot be read, or a row has scores that new texts would not have.
            RowError: If a row is malformed.
        """
        seen, asked = set[int](), 0
        for line, row in well_formed(self.source):
            alone = self._alone(f"{self.source}, line {line}", row, seen)
            if alone is None and asked == self._limit:
                alone = LIMIT
            asked += alone is None
            yield Selected(line, row, alone)

    def asked(self) -> Iterator[Selected]:
        """The rows that the model is asked about."""
        return (one for one in self if one.alone is None)

    def _alone(self, where: str, row: Row, seen: set[int]) -> str | None:
        if row.task not in self.synthesis.prompts:
            return f"{self.synthesis.mode} is for {', '.join(self.synthesis.prompts)}, not for {row.task}"
        _check_bare(where, row, self.synthesis)
        if (key := digest(dump([row]))) in seen:
            return AGAIN
        seen.add(key)
        return left_alone(self.synthesis, row)


def _check_bare(where: str, row: Row, synthesis: Synthesis) -> None:
    """Raise where a row has for each text what a new one would not have."""
    names = [] if row.task == "sts" else ["positive_scores", "negative_scores"]
    if synthesis.mode == "hard-negatives":
        names.append("negative_labels")
    for name in names:
        if getattr(row, name) is not None:
            raise InputError(
                f"{where}: field {name!r} must be absent, for new texts have none: make the texts first, and "
                "let a teacher score all of them after: youtu-st data score"
            )


class Known:
    """Which queries a file has, and which documents go with each: by digests, no text is kept."""

    def __init__(self) -> None:
        self._digests: set[int] = set()

    def add(self, row: Row) -> None:
        """Take a row's query, and its documents."""
        self._digests.add(digest(row.task, row.query.instruction, row.query.content))
        for text in (*row.positives, *row.negatives):
            self._digests.add(digest(row.query.content, text.content))

    def is_query(self, row: Row, text: Text) -> bool:
        """Whether a text is the query of a row of the same task."""
        return digest(row.task, text.instruction, text.content) in self._digests

    def goes_with(self, row: Row, text: Text) -> bool:
        """Whether a text is a document of a row with the same query."""
        return digest(row.query.content, text.content) in self._digests
