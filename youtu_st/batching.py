"""The batch planner: pure functions over token lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def plan(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Group texts of similar length into batches of at most ``max_tokens`` padded tokens.

    Args:
        lengths: Tokens of each text.
        max_tokens: Budget of a batch: number of texts times the longest of them.

    Returns:
        Batches of positions into ``lengths``, every position exactly once, longest texts first, so that a
        batch that does not fit into memory shows at once. A text longer than the budget is alone.
    """
    batches: list[list[int]] = []
    longest = 0
    for position in np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable").tolist():
        if not batches or (len(batches[-1]) + 1) * longest > max_tokens:
            batches.append([])
            longest = max(lengths[position], 1)
        batches[-1].append(position)
    return batches
