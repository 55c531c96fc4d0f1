"""How a reranker takes pairs in its template, whatever runs the network. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from youtu_st.errors import InputError
from youtu_st.inference.batches import Group
from youtu_st.inference.preprocess import (
    InstructionPreprocessor,
    Preprocessor,
    TextBatches,
    with_one_prompt,
)
from youtu_st.modules.beginnings import shared
from youtu_st.modules.tokenization import TokenizedText

PAIRS_AT_ONCE = 64
"""Pairs that a cross-encoder's tokenizer reads together."""


class PairPreprocessor(Preprocessor, Protocol):
    """A preprocessor of documents, each of which stands after a head that is made of its query."""

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """What stands before the documents of a query; equal heads mean equal scores of a document."""


class PlainPairs:
    """Pairs as a cross-encoder's tokenizer joins them, without a template: what stands before documents are
    the queries themselves.
    """

    by_role = False  # a pair has none

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """The queries.

        Raises:
            InputError: If there is an instruction.
        """
        if any(instruction is not None for instruction in instructions):
            raise InputError("this model takes no instructions: pass instruction=None")
        return list(queries)

    def check(self, rows: Sequence[Any], name: Callable[[int], str]) -> None:
        """Nothing is known of which tokens count."""

    def groups(self, rows: Sequence[Any]) -> list[Group]:
        """All together."""
        return [Group(list(range(len(rows))))]


class PairBatches(TextBatches, Protocol):
    """What makes batches of pairs: :class:`~youtu_st.rerank.transformer.RerankTransformer`, or the half of it
    that needs no torch, :class:`~youtu_st.rerank.texts.PairTexts`.
    """

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """What stands before the documents of each query."""

    def tokenize_pairs(self, documents: Sequence[str], heads: Sequence[str]) -> list[TokenizedText]:
        """Tokenise each document after its head."""

    def check_room(self, rows: Sequence[TokenizedText], name: Callable[[int], str]) -> None:
        """Raise where nothing of a document is left to judge."""


class TemplatePairs(InstructionPreprocessor):
    """Documents of a query share its tokens."""

    transformer: PairBatches

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """The template up to the document."""
        return self.transformer.heads(queries, instructions)

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[TokenizedText]:
        """Tokenise each document after its head; one row per document, in order."""
        return self.transformer.tokenize_pairs(texts, prompts)

    def check(self, rows: Sequence[TokenizedText], name: Callable[[int], str]) -> None:
        """Raise if a document has no tokens, or its query leaves it no room.

        Raises:
            InputError: Naming the document.
        """
        self.transformer.check_room(rows, name)

    def groups(self, rows: Sequence[TokenizedText]) -> list[Group]:
        """The documents of a query together, where there are some; what is left, in batches of many."""
        if not self.transformer.reuses_prefixes:
            return super().groups(rows)
        groups = []
        for _, positions in with_one_prompt(rows):
            alike = shared([rows[i].ids for i in positions])
            groups.append(Group(positions, alike, padded=not alike))
        return groups
