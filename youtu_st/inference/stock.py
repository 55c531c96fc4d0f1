"""Texts to batches for any sentence-transformers model: ours, which mixes prompts, and the stock ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from transformers import PreTrainedTokenizerBase

from youtu_st.inference.batches import Group
from youtu_st.inference.preprocess import InstructionPreprocessor, Preprocessor, by_prompt
from youtu_st.inference.tokenizer_lock import TokenizerLock
from youtu_st.modules import tokenization
from youtu_st.modules.settings import ours


def preprocessor_for(model: SentenceTransformer) -> Preprocessor:
    """The preprocessor that fits a model's first module."""
    mine = ours(model)
    if mine is None:
        return StockPreprocessor(model)
    routes = any(isinstance(module, Router) for module in model)
    return InstructionPreprocessor(mine, by_role=routes)


@dataclass(frozen=True, slots=True)
class StockRow:
    """A text that the model will tokenise again itself, as much of it as it reads, and how long it is."""

    text: str
    prompt: str
    length: int
    full_length: int
    is_whole: bool = True
    unknown: float = 0.0
    is_blank: bool = False  # a stock model has no mask to tell it by

    def __len__(self) -> int:
        return self.length


class StockPreprocessor:
    """For any other first module: counts tokens, and lets the model make its own batches, a prompt each."""

    by_role = True

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model
        self._lock = TokenizerLock(model)

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[StockRow]:
        """Count the tokens of each text after its prompt; one row per text, in order."""
        tokenizer: Any = self._model.tokenizer
        limit = self._model.get_max_seq_length()
        pairs = list(zip(texts, prompts, strict=True))
        if not isinstance(tokenizer, PreTrainedTokenizerBase) or limit is None:
            return [StockRow(text, prompt, len(text), len(text)) for text, prompt in pairs]
        with self._lock.now:
            tokenizer = self._model.tokenizer  # which may be another by now
            parts = [tokenization.reach(tokenizer, prompt, text, limit) for text, prompt in pairs]
            read = tokenization.all_ids(tokenizer, [p + part for p, part in zip(prompts, parts, strict=True)])
            around = {prompt: tokenization.count(tokenizer, prompt) for prompt in set(prompts)}
        unknown = tokenization.unknown_id(tokenizer)
        return [
            StockRow(
                part,
                prompt,
                min(len(ids), limit),
                len(ids),
                is_whole=len(part) == len(text),
                unknown=ids.count(unknown) / max(len(ids) - around[prompt], 1) if unknown in ids else 0.0,
            )
            for (text, prompt), part, ids in zip(pairs, parts, read, strict=True)
        ]

    def check(self, rows: Sequence[StockRow], name: Callable[[int], str]) -> None:
        """Nothing is known of a stock model's tokens."""

    def groups(self, rows: Sequence[StockRow]) -> list[Group]:
        """Those of a prompt: a stock model knows one prompt per batch."""
        return [Group(positions) for positions in by_prompt(rows).values()]

    def collate(self, rows: Sequence[StockRow], role: str) -> dict[str, Any]:
        """One padded batch."""
        with self._lock.now:
            return self._model.preprocess(
                [row.text for row in rows], prompt=rows[0].prompt or None, task=role
            )
