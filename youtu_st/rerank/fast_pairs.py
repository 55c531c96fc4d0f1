"""Pairs as a cross-encoder's tokenizer joins them, by ``tokenizer.json`` alone. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding

from youtu_st.backends.forks import Lock
from youtu_st.modules import tokenization
from youtu_st.modules.reader import FastReader
from youtu_st.modules.texts import Texts
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.rerank.pairs import PAIRS_AT_ONCE, PlainPairs


class FastPairs(PlainPairs):
    """As :class:`~youtu_st.rerank.stock.StockPairs` has sentence-transformers do it: too long a pair loses
    the end of whichever of the two is longer.

    Args:
        texts: Pads the batches.
        reader: The tokenizer, which nobody else may use: what it is cut to is a state of it.
        prompt: What stands before every query.
    """

    def __init__(self, texts: Texts, reader: FastReader, prompt: str) -> None:
        self._texts = texts
        self._reader = reader
        self._prompt = prompt
        self._lock = Lock()

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[TokenizedText]:
        """Tokenise each pair, and cut it to the maximum length; one row per document, in order."""
        limit, rows = self._texts.max_length, []
        with self._lock.now:
            parts = [tokenization.reach(self._reader, "", text, limit) for text in texts]
            for start in range(0, len(texts), PAIRS_AT_ONCE):
                span = slice(start, start + PAIRS_AT_ONCE)
                pairs = [
                    (self._prompt + query, part)
                    for query, part in zip(prompts[span], parts[span], strict=True)
                ]
                whole = self._encoded(pairs, None)
                long = [i for i, row in enumerate(whole) if limit is not None and len(row) > limit]
                read = dict(zip(long, self._encoded([pairs[i] for i in long], limit), strict=True))
                for i, row in enumerate(whole):
                    place = start + i
                    is_whole = len(parts[place]) == len(texts[place])
                    rows.append(self._row(row, read.get(i, row), prompts[place], is_whole))
        return rows

    def collate(self, rows: Sequence[TokenizedText], role: str) -> dict[str, Any]:
        """One padded batch."""
        return {**self._texts.collate(rows)}

    def _encoded(self, pairs: Sequence[tuple[str, str]], limit: int | None) -> list[Encoding]:
        """What the tokenizer makes of pairs, cut to a length; by one thread at a time."""
        if not pairs:
            return []
        backend, facts = self._reader.backend_tokenizer, self._reader.facts
        backend.no_padding()
        if limit is None:
            backend.no_truncation()
        else:
            backend.enable_truncation(limit, strategy="longest_first", direction=facts.truncation_side)
        backend.encode_special_tokens = facts.splits_special_tokens
        return backend.encode_batch(list(pairs))

    def _row(self, whole: Encoding, read: Encoding, query: str, is_whole: bool) -> TokenizedText:
        unknown = self._reader.unknown_id
        return TokenizedText(
            ids=np.array(read.ids, dtype=np.int32),
            content=np.ones(len(read), dtype=bool),
            type_ids=np.array(read.type_ids, dtype=np.int32) if self._reader.facts.gives_type_ids else None,
            full_length=len(whole),
            is_blank=False,
            prompt=query,
            is_whole=is_whole,
            unknown=whole.ids.count(unknown) / len(whole) if unknown is not None and len(whole) else 0.0,
        )
