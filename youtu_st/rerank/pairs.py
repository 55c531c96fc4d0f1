"""How a cross-encoder takes pairs: in our template, or in the way that sentence-transformers has for it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.util import batch_to_device

from youtu_st.errors import InputError
from youtu_st.inference.network import within_memory
from youtu_st.inference.preprocess import LEAST_GROUP, Row, StockRow, by_prompt
from youtu_st.modules import prefix
from youtu_st.protocol import Vectors
from youtu_st.rerank.transformer import RerankTransformer

LENGTHS_AT_ONCE = 64
"""Pairs whose tokens a stock model counts at once."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that may share a batch.

    Attributes:
        positions: Which rows.
        shared: Tokens that all of them begin with and that are computed once, so that only the others count.
    """

    positions: list[int]
    shared: int = 0


class Pairs(Protocol):
    """What stands between pairs and scores."""

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """What stands before the documents of a query; equal heads mean equal scores of a document."""

    def tokenize(self, documents: Sequence[str], heads: Sequence[str], names: Sequence[str]) -> Sequence[Row]:
        """Tokenise each document after its head; one row per document, in order."""

    def groups(self, rows: Sequence[Row]) -> list[Group]:
        """The rows that may share a batch; every row once."""

    def scores(self, rows: Sequence[Any]) -> Vectors:
        """Run one batch. Shape ``(len(rows),)``, float32."""


def pairs_for(model: CrossEncoder) -> Pairs:
    """The way that fits a model's first module."""
    return TemplatePairs(model) if isinstance(model[0], RerankTransformer) else StockPairs(model)


class TemplatePairs:
    """For :class:`~youtu_st.rerank.transformer.RerankTransformer`: documents of a query share its tokens."""

    def __init__(self, model: CrossEncoder) -> None:
        self._model = model
        first: Any = model[0]
        self._transformer: RerankTransformer = first
        # One batch at a time: more would only share the same cores, and need more memory.
        self._lock = threading.Lock()

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """The template up to the document."""
        template = self._transformer.whole_template
        return [template.head(*told) for told in zip(queries, instructions, strict=True)]

    def tokenize(self, documents: Sequence[str], heads: Sequence[str], names: Sequence[str]) -> Sequence[Row]:
        """Tokenise each document after its head; one row per document, in order.

        Raises:
            InputError: If a document has no tokens, or its query leaves it no room.
        """
        rows = self._transformer.tokenize_pairs(documents, heads)
        self._transformer.check_room(rows, names)
        return rows

    def groups(self, rows: Sequence[Any]) -> list[Group]:
        """The documents of a query together, where there are some; what is left, in batches of many."""
        if not self._transformer.reuses_prefixes:
            return [Group(list(range(len(rows))))]
        alike = list(by_prompt(rows).values())
        groups = [positions for positions in alike if len(positions) >= LEAST_GROUP]
        rest = [position for positions in alike if len(positions) < LEAST_GROUP for position in positions]
        return [
            Group(positions, prefix.shared([rows[i].ids for i in positions]))
            for positions in (*groups, rest)
            if positions
        ]

    def scores(self, rows: Sequence[Any]) -> Vectors:
        """Run one batch. Shape ``(len(rows),)``, float32.

        Raises:
            MemoryError: If the device has too little memory for the batch.
        """
        features = self._transformer.collate(rows)
        with self._lock:
            return within_memory(partial(_run, self._model, features))


class StockPairs:
    """For any other first module: counts tokens, and lets ``CrossEncoder.predict`` do the rest."""

    def __init__(self, model: CrossEncoder) -> None:
        self._model = model
        # The model's own tokenising sets padding and truncation on the tokenizer that threads share.
        self._lock = threading.Lock()

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """The queries.

        Raises:
            InputError: If there is an instruction.
        """
        if any(instruction is not None for instruction in instructions):
            raise InputError("this model takes no instructions: pass instruction=None")
        return list(queries)

    def tokenize(self, documents: Sequence[str], heads: Sequence[str], names: Sequence[str]) -> Sequence[Row]:
        """Count the tokens of each pair, special tokens included; one row per document, in order."""
        limit = self._model.max_seq_length
        whole: dict[str, Any] = {"text": {"truncation": False, "verbose": False}}
        lengths: list[int] = []
        for start in range(0, len(documents), LENGTHS_AT_ONCE):
            part = slice(start, start + LENGTHS_AT_ONCE)
            pairs = list(zip(heads[part], documents[part], strict=True))
            with self._lock:
                features = self._model.preprocess(pairs, processing_kwargs=whole)
            lengths += features["attention_mask"].sum(dim=1).tolist()
        return [
            StockRow(document, head, length if limit is None else min(length, limit), length)
            for document, head, length in zip(documents, heads, lengths, strict=True)
        ]

    def groups(self, rows: Sequence[Row]) -> list[Group]:
        """All together."""
        return [Group(list(range(len(rows))))]

    def scores(self, rows: Sequence[Any]) -> Vectors:
        """Run one batch. Shape ``(len(rows),)``, float32, the model's own activation.

        Raises:
            MemoryError: If the device has too little memory for the batch.
        """
        pairs = [(row.prompt, row.text) for row in rows]
        with self._lock:
            return within_memory(
                lambda: self._model.predict(pairs, batch_size=len(pairs), show_progress_bar=False)
            )


def _run(model: CrossEncoder, features: dict[str, Any]) -> Vectors:
    with torch.inference_mode():
        scores = model(batch_to_device(features, model.device))["scores"]
        activated = torch.sigmoid(scores[:, 0].float())
    return np.ascontiguousarray(activated.cpu().numpy())
