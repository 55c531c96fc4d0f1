"""Semantic textual similarity: do cosines rank pairs of sentences as people do?"""

from __future__ import annotations

from pathlib import Path

import numpy.typing as npt

from youtu_st.evaluation.data.pairs import read_pairs
from youtu_st.protocol import Role, TextEncoder


def cosine_spearman(encoder: TextEncoder, path: Path, *, role: Role = "document") -> float:
    """Spearman's correlation of cosines with the scores that people gave.

    Args:
        encoder: The model.
        path: Scored pairs of sentences, see :func:`~youtu_st.evaluation.data.pairs.read_pairs`.
        role: What both sentences of a pair are encoded as. A model with a prompt for either role has one
            that its authors use where the two sides are alike.

    Raises:
        InputError: If it cannot be read.
    """
    found = read_pairs(path)
    encode = encoder.encode_query if role == "query" else encoder.encode_document
    left, right = encode(found.left), encode(found.right)
    return spearman((left * right).sum(axis=1), found.scores)


def spearman(left: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's of the ranks, equal values sharing the mean of theirs."""
    from scipy.stats import spearmanr  # takes a while to import

    return float(spearmanr(left, right).statistic)
