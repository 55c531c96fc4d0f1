"""How much of an answer is in what was read, and how much of what was read is the answer: in characters.

As `chunking_evaluation <https://github.com/brandonstarxel/chunking_evaluation>`_ measures them (Smith and
Troynikov, "Evaluating Chunking Strategies for Retrieval", Chroma, 2024), but for where a passage stands,
which is known here and looked up by its text there: a text that repeats is always the first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from youtu_st.evaluation.chunks.data import Span


@dataclass(frozen=True, slots=True)
class Score:
    r"""What was read for one question, against its answer.

    With :math:`R` the characters of the answer, :math:`F` those that were read, and :math:`n` the sum of the
    passages' lengths, in which what overlaps counts twice:

    .. math:: \mathrm{recall} = \frac{|R \cap F|}{|R|}, \quad \mathrm{precision} = \frac{|R \cap F|}{n}, \quad
              \mathrm{IoU} = \frac{|R \cap F|}{n + |R \setminus F|}

    Attributes:
        recall: From 0 to 1.
        precision: From 0 to 1; 0 where nothing was read.
        iou: From 0 to 1.
        whole: Whether all of the answer was read, but for white space.
    """

    recall: float
    precision: float
    iou: float
    whole: bool


def score(answer: Sequence[Span], passages: Sequence[Span], length: int, text: str) -> Score:
    """Score what was read.

    Args:
        answer: Places of the answer in its document, in order, apart from one another.
        passages: Places that were read in the same document, in any order; they may overlap.
        length: Sum of the lengths of all that was read, in other documents too.
        text: The document.
    """
    wanted = sum(end - start for start, end in answer)
    missed = list(without(answer, passages))
    found = wanted - sum(end - start for start, end in missed)
    return Score(
        recall=found / wanted,
        precision=found / length if length else 0.0,
        iou=found / (length + wanted - found),
        whole=not any(text[start:end].strip() for start, end in missed),
    )


def without(spans: Iterable[Span], others: Iterable[Span]) -> Iterable[Span]:
    """What others leave of some spans."""
    left = list(spans)
    for first, last in others:
        left = [
            (start, end)
            for a, b in left
            for start, end in ((a, min(b, first)), (max(a, last), b))
            if start < end
        ]
    return left
