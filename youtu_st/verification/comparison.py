"""Two encoders of one model, side by side on the fixed texts: do they give the same vectors?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from youtu_st.errors import InputError
from youtu_st.probes import DOCUMENTS, PROBE_COSINE, QUERIES, cosines
from youtu_st.protocol import Role, TextEncoder, Vectors
from youtu_st.verification.hints import find_hints

UNIT = 1e-2
"""By how much the length of a vector may differ from 1."""


@runtime_checkable
class RawEncoder(Protocol):
    """An encoder that can show its vectors as they were before they were scaled."""

    def encode_raw(self, texts: Any, role: Role) -> Vectors:
        """Vectors as a server sends them, shape ``(len(texts), dimension)``."""


@runtime_checkable
class TellingEncoder(Protocol):
    """An encoder whose server may tell its identity itself."""

    @property
    def tells_identity(self) -> bool:
        """Whether it does."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The fixed texts in two encoders.

    Attributes:
        roles: ``query`` or ``document``, for each text.
        texts: The texts.
        cosines: Of each text's two vectors.
        lengths: Of the vectors as the other one had them before they were scaled; None where it does not
            show them.
        hints: What the pattern looks like, in words; empty where nothing is off.
        threshold: Cosine that all of them must reach.
        differing: What the other one's server says of itself that is otherwise here: its prompts, pooling,
            weights, a part each. None: it says nothing of itself.
    """

    roles: tuple[str, ...]
    texts: tuple[str, ...]
    cosines: tuple[float, ...]
    lengths: tuple[float, ...] | None
    hints: tuple[str, ...]
    threshold: float = PROBE_COSINE
    differing: tuple[str, ...] | None = None

    @property
    def minimum(self) -> float:
        """The lowest cosine."""
        return min(self.cosines)

    @property
    def agrees(self) -> bool:
        """Whether no cosine is below the threshold, and the server says that it is the same model."""
        return self.minimum >= self.threshold and not self.differing

    @property
    def mean(self) -> float:
        """The mean cosine."""
        return sum(self.cosines) / len(self.cosines)


def compare(reference: TextEncoder, other: TextEncoder) -> Comparison:
    """Encode the fixed texts with both.

    Args:
        reference: Right by definition. An :class:`youtu_st.Encoder` allows more hints than another one.
        other: What is examined, such as an engine of :mod:`youtu_st.engines`.

    Raises:
        InputError: If their vectors have different lengths.
        EngineError: If one of them is a server, and fails.
    """
    if reference.dimension != other.dimension:
        raise InputError(
            f"{reference.model_name!r} gives vectors of {reference.dimension} dimensions, and "
            f"{other.model_name!r} of {other.dimension}: they cannot be compared"
        )
    right = np.concatenate([reference.encode_query(QUERIES), reference.encode_document(DOCUMENTS)])
    found, lengths = _encode(other)
    hints = find_hints(reference, right, found)
    if lengths is not None and np.abs(lengths - 1).max() > UNIT:
        hints.append(
            f"its vectors are not normalised: their lengths are {lengths.min():.3g} to {lengths.max():.3g}. "
            "The engine scales them itself; other clients of the server must do so too"
        )
    tells = isinstance(other, TellingEncoder) and other.tells_identity
    return Comparison(
        roles=("query",) * len(QUERIES) + ("document",) * len(DOCUMENTS),
        texts=QUERIES + DOCUMENTS,
        cosines=tuple(cosines(right, found).tolist()),
        lengths=None if lengths is None else tuple(lengths.tolist()),
        hints=tuple(hints),
        differing=tuple(_differing(reference, other)) if tells else None,
    )


def _differing(reference: TextEncoder, other: TextEncoder) -> Iterator[str]:
    """The parts of both identities that are not the same."""
    here, there = reference.identity, other.identity
    for part in sorted({*here, *there}):
        mine, its = here.get(part, "none"), there.get(part, "none")
        if mine != its:
            yield f"{part}: the server has {its}, and here it is {mine}"


def _encode(other: TextEncoder) -> tuple[Vectors, Vectors | None]:
    """Unit vectors of all texts, and how long they were before they were scaled."""
    if not isinstance(other, RawEncoder):
        return np.concatenate([other.encode_query(QUERIES), other.encode_document(DOCUMENTS)]), None
    raw = np.concatenate([other.encode_raw(QUERIES, "query"), other.encode_raw(DOCUMENTS, "document")])
    cut = raw[:, : other.dimension]
    unit: Vectors = cut / np.linalg.norm(cut, axis=1, keepdims=True)
    return unit, np.linalg.norm(raw, axis=1)
