"""Vectors as a server sends them: put in order, checked, and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from youtu_st.errors import EngineError
from youtu_st.protocol import Vectors
from youtu_st.spec import ModelSpec

Row = tuple[Any, Any]
"""Where in the request a vector belongs, if the server says so (else None), and the vector."""


def checked(
    answer: Sequence[Row], positions: Sequence[int], *, spec: ModelSpec, server: str, size: int | None
) -> Vectors:
    """One finite vector for each text, in the order of the texts.

    Args:
        answer: What the server sent.
        positions: Where each text stands in what the caller passed, for messages.
        spec: Says how long a vector is.
        server: Where the server is, for messages.
        size: Values of each vector to keep before it is scaled to unit length. None: vectors as they came.

    Returns:
        Shape ``(len(positions), size or spec.dimension)``, float32.

    Raises:
        EngineError: If it is anything else.
    """
    n = len(positions)
    if len(answer) != n:
        raise EngineError(f"{server} sent {len(answer)} vectors for {n} texts")
    sent = [row for _, row in _in_order(answer, server)]
    try:
        with np.errstate(over="ignore"):  # found below
            vectors = np.asarray(sent, dtype=np.float64).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise EngineError(f"{server} sent something else than vectors of one length") from error
    if vectors.ndim != 2 or vectors.shape[1] != spec.dimension:
        raise EngineError(
            f"{server} sent vectors of {vectors.shape[-1]} dimensions, and {spec.name} has "
            f"{spec.dimension}: does it serve that model, uncut?"
        )
    broken = ~(np.isfinite(vectors).all(axis=1) & vectors.any(axis=1))
    if broken.any():
        raise EngineError(
            f"{server} sent a vector that is not finite or zero for text {positions[int(broken.argmax())]}"
        )
    return vectors if size is None else _unit(vectors, size)


def _unit(vectors: Vectors, size: int) -> Vectors:
    cut = vectors[:, :size].astype(np.float64)
    scaled: Vectors = (cut / np.linalg.norm(cut, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def _in_order(answer: Sequence[Row], server: str) -> Sequence[Row]:
    """By the positions that the server gives, where it gives any."""
    given = [index for index, _ in answer]
    if all(index is None for index in given):
        return answer
    if not all(isinstance(index, int) for index in given) or sorted(given) != list(range(len(given))):
        raise EngineError(f"{server} says that its {len(given)} vectors are for the texts {given[:8]}")
    return sorted(answer, key=lambda row: row[0])
