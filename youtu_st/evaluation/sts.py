"""Semantic textual similarity: do cosines rank pairs of sentences as people do?"""

from __future__ import annotations

import csv
from io import TextIOWrapper
from pathlib import Path

import numpy.typing as npt

from youtu_st.disk import open_plain
from youtu_st.errors import InputError
from youtu_st.protocol import Role, TextEncoder


def cosine_spearman(encoder: TextEncoder, path: Path, *, role: Role = "document") -> float:
    """Spearman's correlation of cosines with the scores that people gave.

    Args:
        encoder: The model.
        path: Tab separated, no quotes: genre, file, year, id, score, sentence, sentence.
        role: What both sentences of a pair are encoded as. A model with a prompt for either role has one
            that its authors use where the two sides are alike.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        with TextIOWrapper(open_plain(path), encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        gold = [float(row[4]) for row in rows]
        pairs = [[row[side] for row in rows] for side in (5, 6)]
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, IndexError) as error:
        raise InputError(f"{path} is no table of scored sentence pairs: {error}") from error
    encode = encoder.encode_query if role == "query" else encoder.encode_document
    left, right = map(encode, pairs)
    return spearman((left * right).sum(axis=1), gold)


def spearman(left: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's of the ranks, equal values sharing the mean of theirs."""
    from scipy.stats import spearmanr  # takes a while to import

    return float(spearmanr(left, right).statistic)
