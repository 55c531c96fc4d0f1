"""What went wrong at a server, guessed by making the same mistakes here and looking which one fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import methodcaller
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.probes import DOCUMENTS, PROBE_COSINE, QUERIES, cosines, lowest_cosine
from youtu_st.protocol import TextEncoder, Vectors
from youtu_st.verification.finding import Variant

EXACT = 0.9999
"""Cosine that vectors of one dtype and one way of computing reach."""
LIKELY = 0.99
"""Lowest cosine of a mistake that is taken for the one that was made."""


def find_hints(reference: TextEncoder, right: Vectors, found: Vectors) -> list[str]:
    """What the pattern of the cosines looks like.

    Args:
        reference: Makes the mistakes.
        right: Its vectors of the fixed texts, queries first. Unit rows.
        found: Those of the other one.

    Returns:
        The likeliest reason; nothing where the vectors are the same.
    """
    same = cosines(right, found)
    if same.min() >= EXACT:
        return []
    order = _order(right, found)
    if order is not None:
        return [order]
    best, likeliest = max(float(same.min()), LIKELY), None
    for what, vectors in _mistakes(reference):
        lowest = lowest_cosine(vectors(), found)
        if lowest > best:
            best, likeliest = lowest, what
        if lowest >= EXACT:
            break
    if likeliest is not None:
        return [f"it looks like {likeliest}: with that, the lowest cosine is {best:.4f}"]
    return _partial(same)


def _order(right: Vectors, found: Vectors) -> str | None:
    """Every vector is there, but some belong to other texts."""
    nearest = (found @ right.T).argmax(axis=1)
    swapped = nearest != np.arange(len(nearest))
    all_there = sorted(nearest.tolist()) == list(range(len(nearest)))
    if not swapped.any() or not all_there or lowest_cosine(found, right[nearest]) < LIKELY:
        return None
    first = int(swapped.argmax())
    return (
        f"it looks like rows out of order: {int(swapped.sum())} vectors belong to other texts of a request, "
        f"the first is that of text {first}, which got the one of text {int(nearest[first])}"
    )


def _partial(same: npt.NDArray[np.float64]) -> list[str]:
    """What only some of the texts tell."""
    if same.min() >= LIKELY:
        return ["it looks like a lower precision: bfloat16, float16 or rounded weights"]
    if same[:-1].min() >= PROBE_COSINE:
        return [
            "it looks like a shorter maximum length: only the longest text is off. Raise the server's limit, "
            "such as vLLM's --max-model-len or TEI's --max-batch-tokens"
        ]
    queries, documents = same[: len(QUERIES)], same[len(QUERIES) :]
    for off, fine, name in ((queries, documents, "queries"), (documents, queries, "documents")):
        if off.min() < PROBE_COSINE <= fine.min():
            return [f"only {name} are off: is it another prompt than the spec's, or one that is put twice?"]
    return ["no known mistake gives these vectors: are its weights those of the same model and release?"]


def _mistakes(reference: TextEncoder) -> Iterator[Variant]:
    """Mistakes that any encoder can make, then those of a model that runs here."""
    query, document = reference.encode_query, reference.encode_document

    def encoded(first: Any, second: Any, change: Callable[[str], str] = str) -> Callable[[], Vectors]:
        left, right = list(map(change, QUERIES)), list(map(change, DOCUMENTS))
        return lambda: np.concatenate([first(left), second(right)])

    bare = partial(query, instruction="")
    yield "a missing prompt: queries are encoded bare", encoded(bare, document)
    yield "the query prompt before documents too", encoded(query, query)
    yield "white space that is stripped from the texts", encoded(query, document, str.strip)
    on_one_line = methodcaller("replace", "\n", " ")
    yield "line breaks that are replaced by spaces", encoded(query, document, on_one_line)
    model = getattr(reference, "model", None)
    if model is not None:
        from youtu_st.verification.mistakes import mistakes_of  # needs torch, which an engine does not

        yield from mistakes_of(model, reference.dimension)
