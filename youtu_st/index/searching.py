"""A search as it was asked for: by meaning, by words, or by both; and what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from youtu_st.errors import InputError, brief, did_you_mean
from youtu_st.index.filtering.filters import Compiled
from youtu_st.index.fusion import DEPTH, FUSIONS, Ranking, in_order
from youtu_st.index.lexical.search import positions_of
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.storage.documents import DocumentStore
from youtu_st.inputs import check_share, check_texts
from youtu_st.protocol import Vectors

Mode = Literal["dense", "lexical", "hybrid"]
FusionName = Literal["rrf", "weighted_sum"]
MODES: tuple[Mode, ...] = get_args(Mode)


class Scored(NamedTuple):
    """A document found: its key, its score, and what that was made of, by name."""

    score: float
    key: int
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """How to search.

    Attributes:
        mode: By meaning, by words, or by both.
        weight: The share of meaning in a search by both, from 0 to 1.
        fusion: How the two rankings become one, see :mod:`youtu_st.index.fusion`.
    """

    mode: Mode = "dense"
    weight: float = 0.5
    fusion: FusionName = "rrf"

    def __post_init__(self) -> None:
        for name, value, known in (("mode", self.mode, MODES), ("fusion", self.fusion, tuple(FUSIONS))):
            if not isinstance(value, str) or value not in known:
                meant = did_you_mean(value, known) if isinstance(value, str) else ""
                message = f"{name} must be one of {', '.join(known)}, not {brief(value)}"
                raise InputError(f"{message}; {meant}".strip("; "))
        object.__setattr__(self, "weight", check_share("weight", self.weight))  # of NumPy's: JSON has none

    @property
    def needs_vectors(self) -> bool:
        """Whether questions are encoded."""
        return self.mode != "lexical"

    def words(self, queries: Any, words: str | Sequence[str] | None) -> list[str] | None:
        """The questions whose words are looked for; None where none are.

        Args:
            queries: Questions, or vectors.
            words: The questions, where ``queries`` are vectors.

        Raises:
            InputError: If there are none, or not as many.
        """
        if self.mode == "dense":
            return None
        given = [words] if isinstance(words, str) else words
        if given is None and isinstance(queries, list | tuple) and all(isinstance(q, str) for q in queries):
            given = queries
        if given is None:
            raise InputError(
                f'mode="{self.mode}" looks for words, which a vector has none of: pass the question, or '
                "both: search(vector, words=question)"
            )
        if not isinstance(given, list | tuple):
            raise InputError(f"words must be a str or a list of str, not {brief(given)}")
        checked = check_texts(list(given), noun="query")
        if words is not None and len(checked) != len(queries):
            raise InputError(
                f"words must have an entry for each of {len(queries)} queries, not {len(checked)}"
            )
        return checked


def find(
    asked: Asked,
    documents: DocumentStore,
    table: VectorTable,
    vectors: Vectors | None,
    words: Sequence[str] | None,
    k: int,
    confined: tuple[Compiled | None, Iterable[str] | None],
) -> list[list[Scored]]:
    """What is found for each query, best first.

    Args:
        asked: How.
        documents: In a transaction.
        table: At its state.
        vectors: Unit rows; not looked at in a search by words.
        words: The questions; not looked at in a search by meaning.
        k: Hits of each.
        confined: A filter and ids, which all hits match.
    """
    allowed = documents.allowed(*confined)
    depth = max(k, DEPTH) if asked.mode == "hybrid" else k
    dense: Sequence[Ranking] = []
    if asked.mode != "lexical" and vectors is not None:
        dense = table.search(vectors, depth, allowed)
    if asked.mode == "dense" or words is None:
        return [[Scored(score, key, {"cosine": score}) for score, key in hits] for hits in dense]
    wanted = table.alive
    if allowed is not None:
        wanted = np.zeros(len(table.keys), dtype=np.bool_)
        wanted[positions_of(allowed, table.keys)[0]] = True
        wanted &= table.alive
    lexical = [documents.search_words(question, depth, table.keys, table.alive, wanted) for question in words]
    if asked.mode == "lexical":
        return [[Scored(score, key, {"bm25": score}) for score, key in hits] for hits in lexical]
    return [_fused(asked, *both, k) for both in zip(dense, lexical, strict=True)]


def _fused(asked: Asked, dense: Ranking, lexical: Ranking, k: int) -> list[Scored]:
    parts: dict[int, dict[str, float]] = {}
    for ranking, score_name, rank_name in (
        (dense, "cosine", "dense_rank"),
        (lexical, "bm25", "lexical_rank"),
    ):
        for rank, (score, key) in enumerate(ranking, start=1):
            parts.setdefault(key, {}).update({score_name: score, rank_name: rank})
    hits = in_order(FUSIONS[asked.fusion](dense, lexical, asked.weight), k)
    return [Scored(score, key, {asked.fusion: score, **parts[key]}) for score, key in hits]
