"""From what a server sends to rows: one finite vector for each text, or one clear error."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from youtu_st.errors import EngineError
from youtu_st.inputs import unit_rows
from youtu_st.protocol import Vectors

Row = tuple[Any, Any]
"""Where in the request a vector belongs, if the server says so (else None), and the vector. Nothing else that
the server wrote is in it: what is no position is a word for its kind."""

LARGEST_SHOWN = 10**9


def parsed(body: bytes, texts: int) -> Any:
    """The JSON of an answer.

    Args:
        body: What came.
        texts: How many texts it is about.

    Raises:
        ValueError: If it is not JSON, or has many more objects or lists than such an answer: a few bytes of
            them become a hundred times as much memory, and 100,000 inside each other end a parser.
    """
    if not body.strip():
        raise ValueError("nothing")
    most = 16 * (texts + 16)
    if body.count(b"{") > most or body.count(b"[") > most:
        raise ValueError("too many objects or lists")
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("too many objects or lists inside each other") from None


def rows_of(data: Any, index: str, vector: str) -> list[Row]:
    """The rows of a parsed list of objects.

    Args:
        data: The list.
        index: The name in an object of where a vector belongs.
        vector: The name of the vector: a list of numbers, or base64 of little-endian float32.

    Raises:
        ValueError: If it is anything else.
        OverflowError: If it holds numbers of hundreds of digits.
    """
    if not isinstance(data, list) or not all(isinstance(row, dict) and vector in row for row in data):
        raise ValueError("no list of embeddings")
    return [(_position(row.get(index)), _numbers(row[vector])) for row in data]


def check_answer(
    answer: Sequence[Row],
    positions: Sequence[int],
    *,
    model: str,
    dimension: int,
    server: str,
    size: int | None,
) -> Vectors:
    """One finite vector for each text, in the order of the texts.

    Args:
        answer: What the server sent.
        positions: Where each text stands in what the caller passed, for messages.
        model: The model, for messages.
        dimension: How long a vector is.
        server: Where the server is, for messages.
        size: Values of each vector to keep before it is scaled to unit length. None: vectors as they came.

    Returns:
        Shape ``(len(positions), size or dimension)``, float32.

    Raises:
        EngineError: If it is anything else.
    """
    if len(answer) != len(positions):
        raise EngineError(f"{server} sent {len(answer)} vectors for {len(positions)} texts")
    sent = [row for _, row in _in_order(answer, server)]
    try:
        with np.errstate(over="ignore"):  # found below
            vectors = np.stack(sent).astype(np.float32)
    except ValueError as error:
        raise EngineError(f"{server} sent something else than vectors of one length") from error
    if vectors.shape[1] != dimension:
        raise EngineError(
            f"{server} sent vectors of {vectors.shape[1]} dimensions, and {model} has "
            f"{dimension}: does it serve that model, uncut?"
        )
    kept = vectors[:, :size]
    broken = ~(np.isfinite(vectors).all(axis=1) & kept.any(axis=1))
    if broken.any():
        raise EngineError(
            f"{server} sent a vector that is not finite or zero for text {positions[int(broken.argmax())]}"
        )
    return vectors if size is None else unit_rows(kept, kept.shape, "the server's vectors", EngineError)


def _numbers(row: Any) -> np.ndarray[Any, Any]:
    """One vector. ``null`` is how JSON writes NaN.

    Raises:
        ValueError: If it is none.
        OverflowError: If one of its numbers has hundreds of digits.
    """
    if isinstance(row, str):
        # Some encoders break lines; other letters are a fault, which is passed over unless asked for.
        return np.frombuffer(base64.b64decode("".join(row.split()), validate=True), dtype="<f4")
    # NumPy takes "1" and True for numbers, and a list of lists for a table.
    if not isinstance(row, list) or not set(map(type, row)) <= {float, int, type(None)}:
        raise ValueError("no list of numbers")
    return np.array(row, dtype=np.float64)


def _position(index: Any) -> int | str | None:
    # JSON's true is an int to Python, and an int may have any number of digits.
    if index is None or (type(index) is int and abs(index) < LARGEST_SHOWN):
        return index
    return "a huge int" if type(index) is int else f"a {type(index).__name__}"


def _in_order(answer: Sequence[Row], server: str) -> Sequence[Row]:
    """By the positions that the server gives, where it gives any."""
    given = [index for index, _ in answer]
    if all(index is None for index in given):
        return answer
    if not all(isinstance(index, int) for index in given) or sorted(given) != list(range(len(given))):
        shown = ", ".join(map(str, given[:8]))
        raise EngineError(f"{server} says that its {len(given)} vectors are for the texts [{shown}]")
    return sorted(answer, key=lambda row: row[0])
