"""An engine that is to be taken for another encoder: only where it gives that one's vectors."""

from __future__ import annotations

import warnings

import numpy as np

from youtu_st.errors import EngineError, InputError, TruncationWarning
from youtu_st.probes import DOCUMENTS, PROBE_COSINE, QUERIES, cosines
from youtu_st.protocol import TextEncoder


def check_same(engine: TextEncoder, same_as: TextEncoder, server: str) -> None:
    """Raise unless both give the fixed texts the same vectors.

    Args:
        engine: The engine.
        same_as: What it is to be taken for.
        server: Where its server is, for messages.

    Raises:
        InputError: If the vectors have another length.
        EngineError: With the figures, if they are others.
    """
    if same_as.dimension != engine.dimension:
        raise InputError(
            f"same_as gives vectors of {same_as.dimension} dimensions, and the engine of {engine.dimension}"
        )
    with warnings.catch_warnings():  # one of the texts is longer than some models read
        warnings.simplefilter("ignore", TruncationWarning)
        expected, given = (
            np.concatenate([encoder.encode_query(QUERIES), encoder.encode_document(DOCUMENTS)])
            for encoder in (same_as, engine)
        )
    found = cosines(expected, given)
    if not found.min() >= PROBE_COSINE:
        raise EngineError(
            f"{server} does not give the vectors of {same_as.model_name!r}: the lowest cosine is "
            f"{found.min():.4f}, the mean {found.mean():.4f}, and {PROBE_COSINE} is needed; "
            "youtu-st verify MODEL --engine URL shows where they differ"
        )
