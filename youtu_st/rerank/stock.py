"""How a cross-encoder takes pairs: in our template, or in the way that sentence-transformers has for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sentence_transformers import CrossEncoder

from youtu_st.inference.stock import StockRow
from youtu_st.inference.tokenizer_lock import TokenizerLock
from youtu_st.modules import tokenization
from youtu_st.rerank.pairs import PAIRS_AT_ONCE, PairPreprocessor, PlainPairs, TemplatePairs
from youtu_st.rerank.transformer import RerankTransformer


def pair_preprocessor_for(model: CrossEncoder) -> PairPreprocessor:
    """The preprocessor that fits a model's first module."""
    first = model[0]
    return TemplatePairs(first) if isinstance(first, RerankTransformer) else StockPairs(model)


class StockPairs(PlainPairs):
    """For any other first module: counts tokens, and lets the model make its own batches."""

    def __init__(self, model: CrossEncoder) -> None:
        self._model = model
        self._lock = TokenizerLock(model)

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[StockRow]:
        """Count the tokens of each pair, special tokens included; one row per document, in order."""
        tokenizer: Any = self._model.tokenizer
        limit, unknown = self._model.max_seq_length, tokenization.unknown_id(tokenizer)
        with self._lock.now:
            parts = [tokenization.reach(tokenizer, "", text, limit) for text in texts]
        rows: list[StockRow] = []
        for start in range(0, len(texts), PAIRS_AT_ONCE):
            span = slice(start, start + PAIRS_AT_ONCE)
            pairs = list(zip(prompts[span], parts[span], strict=True))
            features = self._features(pairs, truncation=False, verbose=False)
            lengths = features["attention_mask"].sum(dim=1).tolist()
            unread = ((features["input_ids"] == unknown) & features["attention_mask"].bool()).sum(dim=1)
            for (query, part), text, length, n in zip(
                pairs, texts[span], lengths, unread.tolist(), strict=True
            ):
                read = length if limit is None else min(length, limit)
                whole = len(part) == len(text)
                rows.append(StockRow(part, query, read, length, is_whole=whole, unknown=n / max(length, 1)))
        return rows

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
