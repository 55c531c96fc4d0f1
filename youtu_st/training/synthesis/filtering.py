"""What is kept of a chat model's texts: an encoder tells those that break a row or are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from youtu_st.protocol import TextEncoder, Vectors
from youtu_st.training.data.mining import ABOVE, Choice
from youtu_st.training.data.rows import Row, Text
from youtu_st.training.synthesis.prompts import Synthesis

THERE = "it is there already"
NEAR_ROW = "nearly a text of the row"
NEAR_MADE = "nearly another of the new texts"
FAR = "too far from what it should mean"
BELOW = "scores too far below the positives"
OTHER_CLASS = "nearer to a text of another class than to its own"


@dataclass(frozen=True, slots=True)
class Judged:
    """A new text, and why it is not kept. None: it is."""

    text: Text
    reason: str | None


def made_text(synthesis: Synthesis, row: Row, text: str) -> Text:
    """A new text as it stands in a row: a query keeps instructions, a text of a class its task's."""
    if synthesis.mode == "paraphrase":
        return Text(text, row.query.instruction, row.query.preface)
    return Text(text, row.positives[0].instruction if row.task == "cls" else "")


class Filter:
    """Looks at new texts of some rows.

    Args:
        encoder: The model.
        synthesis: What was asked for, and the borders.
        instructed: Whether queries are encoded with their row's instruction.
    """

    def __init__(self, encoder: TextEncoder, synthesis: Synthesis, *, instructed: bool) -> None:
        self._encoder, self._synthesis, self._instructed = encoder, synthesis, instructed

    def judged(
        self, rows: Sequence[Row], made: Sequence[Sequence[str]], there: Callable[[Row, Text], bool]
    ) -> Iterator[list[Judged]]:
        """What becomes of the new texts of each row, in their order: a row is looked at when it is asked for.

        Args:
            rows: The rows.
            made: The new texts of each.
            there: Whether a new text of a row is known to be there.
        """
        texts = [
            [made_text(self._synthesis, row, text) for text in each]
            for row, each in zip(rows, made, strict=True)
        ]
        vectors = self._documents(rows, texts)
        queries = self._queries(rows)
        for i, row in enumerate(rows):
            reasons = _Reasons(self._synthesis, row, vectors, None if queries is None else queries[i])
            yield [Judged(text, THERE if there(row, text) else reasons.of(text)) for text in texts[i]]

    def _documents(self, rows: Sequence[Row], texts: Iterable[Iterable[Text]]) -> dict[str, Vectors]:
        """The vector of each content that is met, with no query's prompt: all are compared."""
        old = (text for row in rows for text in (row.query, *row.positives, *row.negatives))
        new = (text for each in texts for text in each)
        contents = list(dict.fromkeys(text.content for each in (old, new) for text in each))
        return dict(zip(contents, self._encoder.encode_document(contents), strict=True))

    def _queries(self, rows: Sequence[Row]) -> Vectors | None:
        """The rows' queries as a search has them, where scores decide."""
        if self._synthesis.mode == "paraphrase":
            return None
        instructions = [(row.query.instruction or None) if self._instructed else None for row in rows]
        return self._encoder.encode_query([row.query.content for row in rows], instruction=instructions)


class _Reasons:
    """Why new texts of one row are not kept: each is compared with the row, and with those that are."""

    def __init__(
        self, synthesis: Synthesis, row: Row, vectors: dict[str, Vectors], query: Vectors | None
    ) -> None:
        self._synthesis, self._row, self._vectors, self._query = synthesis, row, vectors, query
        self._old = self._of(row.query, *row.positives, *row.negatives)
        self._kept: list[Vectors] = []

    def of(self, text: Text) -> str | None:
        """Why a text is not kept. None: it is."""
        vector = self._vectors[text.content]
        reason = self._breaks(vector)
        if reason is None and float((self._old @ vector).max()) > self._synthesis.near:
            reason = NEAR_ROW
        if reason is None and any(float(kept @ vector) > self._synthesis.near for kept in self._kept):
            reason = NEAR_MADE
        if reason is None:
            self._kept.append(vector)
        return reason

    def _of(self, *texts: Text) -> Vectors:
        return np.stack([self._vectors[text.content] for text in texts])

    def _breaks(self, vector: Vectors) -> str | None:
        """Why a text would break what the row says. None: it would not."""
        row, synthesis = self._row, self._synthesis
        if synthesis.mode == "paraphrase":
            return FAR if float(self._vectors[row.query.content] @ vector) < synthesis.lowest else None
        if row.task == "cls":
            own = float((self._of(row.query, *row.positives) @ vector).max())
            if own < synthesis.lowest:
                return FAR
            other = float((self._of(*row.negatives) @ vector).max()) if row.negatives else -1.0
            return OTHER_CLASS if other > own else None
        assert self._query is not None  # of the modes that are left
        score = float(self._query @ vector)
        positive = float((self._of(*row.positives) @ self._query).min())
        if synthesis.mode == "augment":
            return BELOW if score < Choice(max_relative=synthesis.lowest).highest(positive) else None
        return ABOVE if score > Choice(max_relative=synthesis.max_relative).highest(positive) else None
