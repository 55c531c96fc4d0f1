"""Cosines of texts with texts, with the texts beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from youtu_st.errors import InputError
from youtu_st.inference.tables import html_table
from youtu_st.inputs import check_texts
from youtu_st.protocol import TextEncoder, Vectors

_LONGEST = 80
_MOST = 100
"""Rows, and columns, that a notebook shows: it keeps what it shows, and of a thousand that is 77 MB."""
_DARK = 0.65
"""From this shade on, dark blue, a cell's number is white."""


@dataclass(frozen=True, slots=True, eq=False)
class Similarities:
    """A matrix of cosines; a notebook shows it as a table in colours.

    Attributes:
        cosines: Of each text of ``rows`` with each of ``columns``, shape ``(len(rows), len(columns))``,
            float32.
        rows: The questions; without any, the texts themselves.
        columns: The texts.
    """

    cosines: Vectors
    rows: list[str]
    columns: list[str]

    @property
    def square(self) -> bool:
        """Whether texts were compared with each other, and so each with itself."""
        return self.rows is self.columns

    def shades(self) -> Vectors:
        """From 0 for the lowest cosine to 1 for the highest, in the shape of the matrix.

        A text's cosine with itself is left out of that, and has the shade 1: models differ in how near to
        each other they put all texts, and what tells texts apart is what is to be seen.
        """
        rest = self.cosines
        if self.square and len(self.rows) > 1:
            rest = self.cosines[~np.eye(len(self.rows), dtype=np.bool_)]
        low, high = float(rest.min()), float(rest.max())
        if high - low < 1e-6:
            low = high - 1  # all are equal: what is as high is dark
        shades: Vectors = np.clip((self.cosines - low) / (high - low), 0, 1).astype(np.float32)
        return shades

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Vectors:
        return np.array(self.cosines, dtype=dtype, copy=copy)

    def _repr_html_(self) -> str:
        shades = self.shades()[:_MOST, :_MOST]
        texts, columns = self.rows[:_MOST], self.columns[:_MOST]
        plain = "text-align:left;overflow-wrap:anywhere"
        rows = [
            [_named(number, text), *(f"{cosine:.2f}" for cosine in line)]
            for number, (text, line) in enumerate(
                zip(texts, self.cosines[:_MOST, :_MOST], strict=True), start=1
            )
        ]
        styles = [[plain, *map(_style, line)] for line in shades]
        if self.square:
            titles = ["", *(str(number) for number in range(1, len(columns) + 1))]
        else:
            titles = ["", *(_named(number, text) for number, text in enumerate(columns, start=1))]
        shown = html_table(titles, rows, styles)
        if len(texts) == len(self.rows) and len(columns) == len(self.columns):
            return shown
        whole = " × ".join(f"{number:,}" for number in self.cosines.shape)
        return f"{shown}<p>{len(texts)} × {len(columns)} of {whole} cosines</p>"


def compare(
    encoder: TextEncoder,
    texts: Sequence[str],
    *,
    queries: Sequence[str] | None = None,
    instruction: str | None = None,
) -> Similarities:
    """Cosines of texts with each other, or of questions with texts.

    Args:
        encoder: What turns texts into vectors.
        texts: Are encoded as documents.
        queries: Questions; None: the texts are compared with each other.
        instruction: Another instruction than the encoder's own, for the questions.

    Raises:
        InputError: If there is no text, one is blank, or there is an instruction and no question.
    """
    columns = check_texts(texts)
    rows = columns if queries is None else check_texts(queries, noun="query")
    if not columns or not rows:
        raise InputError(f"there must be at least one {'query' if columns else 'text'} to compare")
    if queries is None and instruction is not None:
        raise InputError("instruction is for queries, and there are none")
    documents = encoder.encode_document(columns)
    vectors = documents if queries is None else encoder.encode_query(rows, instruction=instruction)
    # Unit vectors, but for what rounding leaves.
    cosines = np.clip(np.asarray(vectors, np.float32) @ np.asarray(documents, np.float32).T, -1, 1)
    return Similarities(cosines, rows, columns)


class Compares:
    """What an encoder says of texts beside each other."""

    def similarity(self, queries: Vectors, documents: Vectors) -> Vectors:
        """Cosine of each query with each document.

        Args:
            queries: Shape ``(n, d)``, as encoded here.
            documents: Shape ``(m, d)``, as encoded here.

        Returns:
            Shape ``(n, m)``, float32.
        """
        return np.asarray(queries, dtype=np.float32) @ np.asarray(documents, dtype=np.float32).T

    def compare(
        self,
        texts: Sequence[str],
        *,
        queries: Sequence[str] | None = None,
        instruction: str | None = None,
    ) -> Similarities:
        """Encode texts, and compare them with each other, or with questions: a notebook shows the cosines.

        See :func:`youtu_st.inference.similarities.compare`.

        Raises:
            InputError: If there is no text, one is blank, or there is an instruction and no question.
        """
        return compare(cast(TextEncoder, self), texts, queries=queries, instruction=instruction)


def _named(number: int, text: str) -> str:
    line = " ".join(text[: 4 * _LONGEST].split())
    return f"{number}  {line if len(line) <= _LONGEST else f'{line[:_LONGEST]}…'}"


def colour(shade: float) -> tuple[int, int, int]:
    """From white to dark blue, which everybody tells apart."""
    low, high = (247, 251, 255), (8, 48, 107)
    red, green, blue = (round(a + (b - a) * float(shade)) for a, b in zip(low, high, strict=True))
    return red, green, blue


def is_dark(shade: float) -> bool:
    """Whether what is written on that shade must be white."""
    return float(shade) >= _DARK


def _style(shade: float) -> str:
    red, green, blue = colour(shade)
    ink = "#fff" if is_dark(shade) else "#000"
    return f"text-align:right;background:rgb({red},{green},{blue});color:{ink}"
