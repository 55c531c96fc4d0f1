"""Whether vectors that somebody brings are those that an encoder makes of their texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from youtu_st.errors import IndexMismatchError, InputError, YoutuError, brief, counted
from youtu_st.inputs import unit_rows
from youtu_st.probes import PROBE_COSINE, PROBING, cosines
from youtu_st.protocol import TextEncoder, Vectors

PROBED = 20
"""Most texts that are encoded again: few enough to cost nothing, and spread over all that there are."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the comparison of some vectors with an encoder's own has found.

    Attributes:
        count: Texts that were encoded again.
        least: The lowest cosine of a vector and the encoder's.
        median: The median of these cosines.
        seconds: How long the encoder took.
        alike: What the vectors are, where they are the encoder's own under another prompt; else "".
    """

    count: int
    least: float
    median: float
    seconds: float
    alike: str = ""

    @property
    def holds(self) -> bool:
        """Whether the vectors are the encoder's."""
        return self.least >= PROBE_COSINE

    def __str__(self) -> str:
        told = f"; {self.alike}" if self.alike else ""
        return (
            f"of {counted(self.count, 'text')} encoded again the least cosine is {self.least:.4f} and the "
            f"median {self.median:.4f}, and at least {PROBE_COSINE} is needed{told}"
        )


def spread(count: int, most: int = PROBED) -> list[int]:
    """Positions in a collection, from its first to its last, in order; all of them where there are few.

    Args:
        count: How many there are.
        most: How many positions are wanted at most.
    """
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))


def compare_vectors(encoder: TextEncoder, texts: Sequence[str], vectors: Vectors) -> Agreement:
    """Encode all of some texts again, as documents, and compare.

    Where the vectors are not the encoder's, it is also asked for them under other prompts, to say what they
    are.

    Args:
        encoder: The encoder.
        texts: At least one text.
        vectors: Of each its vector, unit rows ``(len(texts), encoder.dimension)``, float32.
    """
    token = PROBING.set(True)
    try:
        begun = time.monotonic()
        own = _unit(encoder, encoder.encode_document(list(texts)))
        seconds = time.monotonic() - begun
        found = cosines(own, vectors)
        least, median = float(found.min()), float(np.median(found))
        alike = "" if least >= PROBE_COSINE else _alike(encoder, list(texts), vectors)
        return Agreement(len(texts), least, median, seconds, alike)
    finally:
        PROBING.reset(token)


def check_vectors(
    encoder: TextEncoder, texts: Sequence[str], vectors: npt.ArrayLike, *, what: str = "vectors"
) -> Agreement:
    """Refuse vectors that are not those that an encoder makes of their texts as documents.

    At most :data:`PROBED` texts, spread over all of them, are encoded again.

    Args:
        encoder: The encoder.
        texts: The texts; none may be blank.
        vectors: Of each its vector, shape ``(len(texts), encoder.dimension)``, of any length but zero.
        what: What to call the vectors in messages.

    Returns:
        What was found.

    Raises:
        InputError: If the vectors have another shape, or one of them has no direction.
        IndexMismatchError: If a cosine is below 0.999: the message has the least and the median, and says so
            where the vectors were made with another prompt.
    """
    matrix = unit_rows(vectors, (len(texts), encoder.dimension), what)
    if not len(texts):
        return Agreement(0, 1.0, 1.0, 0.0)
    places = spread(len(texts))
    found = compare_vectors(encoder, [texts[place] for place in places], matrix[places])
    if not found.holds:
        raise IndexMismatchError(f"{what} are not those of {brief(encoder.model_name)}: {found}")
    return found


def _alike(encoder: TextEncoder, texts: list[str], vectors: Vectors) -> str:
    """What the vectors are, where another prompt makes them."""
    prompts: tuple[tuple[str, Callable[[], Vectors]], ...] = (
        ("as documents without their prompt", lambda: encoder.encode_document(texts, instruction="")),
        ("as queries", lambda: encoder.encode_query(texts)),
        ("as queries without an instruction", lambda: encoder.encode_query(texts, instruction="")),
    )
    for how, encode in prompts:
        with suppress(YoutuError):  # an encoder elsewhere may have one prompt only
            if float(cosines(_unit(encoder, encode()), vectors).min()) >= PROBE_COSINE:
                return f"they are this model's vectors of the texts {how}"
    return ""


def _unit(encoder: TextEncoder, vectors: Vectors) -> Vectors:
    return unit_rows(vectors, (len(vectors), encoder.dimension), "the encoder's vectors", InputError)
