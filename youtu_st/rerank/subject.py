"""What a reranker is made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from youtu_st.inference.subject import Subject

if TYPE_CHECKING:
    from youtu_st.rerank.pairs import PairPreprocessor


class RerankerSubject(Subject, Protocol):
    """A model that gives a score for each pair."""

    @property
    def preprocessor(self) -> PairPreprocessor:
        """What stands between pairs and the network."""

    @property
    def identity(self) -> Mapping[str, str]:
        """The named parts that decide what a score means; not dtype or device."""
