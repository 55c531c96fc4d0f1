"""How a cross-encoder takes pairs: in our template, or in the way that sentence-transformers has for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sentence_transformers import CrossEncoder

from youtu_st.errors import InputError
from youtu_st.inference.batches import Group
from youtu_st.inference.preprocess import (
    InstructionPreprocessor,
    Preprocessor,
    StockRow,
    with_one_prompt,
)
from youtu_st.inference.tokenizer_lock import TokenizerLock
from youtu_st.modules import prefix, tokenization
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.rerank.transformer import RerankTransformer

LENGTHS_AT_ONCE = 64
"""Pairs whose tokens a stock model counts at once."""


class PairPreprocessor(Preprocessor, Protocol):
    """A preprocessor of documents, each of which stands after a head that is made of its query."""

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """What stands before the documents of a query; equal heads mean equal scores of a document."""


def pair_preprocessor_for(model: CrossEncoder) -> PairPreprocessor:
    """The preprocessor that fits a model's first module."""
    first = model[0]
    return TemplatePairs(first) if isinstance(first, RerankTransformer) else StockPairs(model)


class TemplatePairs(InstructionPreprocessor):
    """For :class:`~youtu_st.rerank.transformer.RerankTransformer`: documents of a query share its tokens."""

    transformer: RerankTransformer

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
            shared = prefix.shared([rows[i].ids for i in positions])
            groups.append(Group(positions, shared, padded=not shared))
        return groups


class StockPairs:
    """For any other first module: counts tokens, and lets the model make its own batches."""

    by_role = False  # a pair has none

    def __init__(self, model: CrossEncoder) -> None:
        self._model = model
        self._lock = TokenizerLock(model)

    def heads(self, queries: Sequence[str], instructions: Sequence[str | None]) -> list[str]:
        """The queries.

        Raises:
            InputError: If there is an instruction.
        """
        if any(instruction is not None for instruction in instructions):
            raise InputError("this model takes no instructions: pass instruction=None")
        return list(queries)

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[StockRow]:
        """Count the tokens of each pair, special tokens included; one row per document, in order."""
        tokenizer: Any = self._model.tokenizer
        limit, unknown = self._model.max_seq_length, tokenization.unknown_id(tokenizer)
        with self._lock.now:
            parts = [tokenization.reach(tokenizer, "", text, limit) for text in texts]
        rows: list[StockRow] = []
        for start in range(0, len(texts), LENGTHS_AT_ONCE):
            span = slice(start, start + LENGTHS_AT_ONCE)
            pairs = list(zip(prompts[span], parts[span], strict=True))
            features = self._features(pairs, truncation=False, verbose=False)
            lengths = features["attention_mask"].sum(dim=1).tolist()
            unread = ((features["input_ids"] == unknown) & features["attention_mask"].bool()).sum(dim=1)
            for (query, part), text, length, n in zip(
                pairs, texts[span], lengths, unread.tolist(), strict=True
            ):
                read = length if limit is None else min(length, limit)
                whole = len(part) == len(text)
                rows.append(StockRow(part, query, read, length, is_whole=whole, unknown=n / length))
        return rows

    def check(self, rows: Sequence[StockRow], name: Callable[[int], str]) -> None:
        """Nothing is known of a stock model's tokens."""

    def groups(self, rows: Sequence[StockRow]) -> list[Group]:
        """All together."""
        return [Group(list(range(len(rows))))]

    def collate(self, rows: Sequence[StockRow], role: str) -> dict[str, Any]:
        """One padded batch."""
        return self._features([(row.prompt, row.text) for row in rows])

    def _features(self, pairs: Sequence[tuple[str, str]], **how: Any) -> dict[str, Any]:
        """What the model's own ``predict`` makes of pairs, after its default prompt where it has one."""
        prompt = self._model.prompts.get(self._model.default_prompt_name or "")
        settings = {"processing_kwargs": {"text": how}} if how else {}
        with self._lock.now:
            features: dict[str, Any] = self._model.preprocess(pairs, prompt=prompt, **settings)
        return features
