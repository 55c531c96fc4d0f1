"""How much rows begin with alike, and when that is worth computing once: see the module ``prefix``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# Least share of a batch's padded tokens, and least number of them, that reuse must save.
SAVED_SHARE = 0.25
SAVED_TOKENS = 32


def shared(rows: Sequence[npt.NDArray[np.integer[Any]]]) -> int:
    """Number of tokens that all rows begin with and that are worth computing once, else 0.

    Args:
        rows: Token ids of each row, without padding.

    Returns:
        The longest common prefix, but at least one token less than the shortest row; 0 where reuse would
        save too little to pay.
    """
    lengths = [len(row) for row in rows]
    shortest = min(lengths)
    if len(rows) < 2 or shortest < 2:
        return 0
    differs = (np.stack([row[: shortest - 1] for row in rows]) != rows[0][: shortest - 1]).any(axis=0)
    prefix = int(differs.argmax()) if differs.any() else shortest - 1
    padded = len(rows) * max(lengths)
    saved = padded - (prefix + sum(lengths) - len(rows) * prefix)
    return prefix if prefix and saved >= max(SAVED_SHARE * padded, SAVED_TOKENS) else 0
