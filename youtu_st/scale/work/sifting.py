"""Texts among which some cannot be encoded: the vectors of the others, and which those are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from youtu_st.protocol import Vectors
from youtu_st.scale.work.encoding import Asked, is_of_a_text, reason


@dataclass(slots=True)
class Sifted:
    """What became of some texts.

    Attributes:
        vectors: Of those that could be encoded, in order.
        bad: Positions of the others, and what is wrong with each.
    """

    vectors: list[Vectors] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)

    def rows(self, dimension: int) -> Vectors:
        """All vectors, shape ``(n, dimension)``, float32."""
        return np.concatenate([np.empty((0, dimension), dtype=np.float32), *self.vectors])


def sift(asked: Asked, texts: list[str], *, first_only: bool) -> Sifted:
    """Encode all texts that can be.

    Those to blame are found by their tokens, where the encoder tells without computing, and then by halves.

    Args:
        asked: The encoder.
        texts: One or more.
        first_only: End at the first bad one: what comes after it is in neither.

    Raises:
        Exception: What is no text's fault.
    """
    found = Sifted()
    if _encoded(asked, texts, range(len(texts)), found):
        return found
    if not found.bad:  # else there was but one
        found.bad = asked.objections(texts, first_only=first_only)
        if not (found.bad and first_only):
            _halve(asked, texts, [i for i in range(len(texts)) if i not in found.bad], found, first_only)
    return found


def _halve(asked: Asked, texts: list[str], which: Sequence[int], found: Sifted, first_only: bool) -> None:
    """Encode some of the texts, which are not to be encoded together, or are since others were left out."""
    if len(which) < len(texts) and (not which or _encoded(asked, texts, which, found)):
        return
    if len(which) == 1:
        return
    middle = len(which) // 2
    for half in (which[:middle], which[middle:]):
        if first_only and found.bad:
            return
        _halve(asked, texts, half, found, first_only)


def _encoded(asked: Asked, texts: list[str], which: Sequence[int], found: Sifted) -> bool:
    """Whether some texts can be encoded together; of a single one, what is wrong where it cannot."""
    try:
        found.vectors.append(asked.encode([texts[i] for i in which]))
    except Exception as error:
        if not is_of_a_text(error):
            raise
        if len(which) == 1:
            found.bad[which[0]] = reason(error)
        return False
    return True
