"""Texts to batches for any sentence-transformers model: ours, which mixes prompts, and the stock ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from sentence_transformers import SentenceTransformer
from transformers import PreTrainedTokenizerBase

from youtu_st import tokenization
from youtu_st.modules import InstructionTransformer
from youtu_st.tokenization import TokenizedText


class Row(Protocol):
    """A tokenised text: how long it is, how long it was before it was cut, and whether it is blank."""

    @property
    def full_length(self) -> int:
        """Tokens before truncation, prompt and special tokens included."""

    @property
    def is_blank(self) -> bool:
        """Whether no token of the text is content."""

    def __len__(self) -> int: ...


class Frontend(Protocol):
    """What stands between texts and the network."""

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[Row]:
        """Tokenise each text after its prompt; one row per text, in order."""

    def groups(self, rows: Sequence[Row]) -> list[list[int]]:
        """Positions of the rows that may share a batch."""

    def collate(self, rows: Sequence[Any], role: str) -> dict[str, Any]:
        """One padded batch."""


def frontend_for(model: SentenceTransformer) -> Frontend:
    """The front end that fits a model's first module."""
    return (
        InstructionFrontend(model) if isinstance(model[0], InstructionTransformer) else StockFrontend(model)
    )


class InstructionFrontend:
    """For :class:`~youtu_st.InstructionTransformer`: tokenises once, and mixes prompts in a batch."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._transformer = cast(InstructionTransformer, model[0])

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[TokenizedText]:
        """Tokenise each text after its prompt; one row per text, in order."""
        return self._transformer.tokenize_texts(texts, prompts)

    def groups(self, rows: Sequence[Row]) -> list[list[int]]:
        """All together: each row carries its own mask."""
        return [list(range(len(rows)))]

    def collate(self, rows: Sequence[TokenizedText], role: str) -> dict[str, Any]:
        """One padded batch."""
        return self._transformer.collate(rows)


@dataclass(frozen=True, slots=True)
class StockRow:
    """A text that the model will tokenise again itself, and how long it is."""

    text: str
    prompt: str
    length: int
    full_length: int
    is_blank: bool = False  # a stock model has no mask to tell it by

    def __len__(self) -> int:
        return self.length


class StockFrontend:
    """For any other first module: counts tokens, and lets the model make its own batches, a prompt each."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model
        # The model's own tokenising sets padding and truncation on the tokenizer that threads share.
        self._lock = threading.Lock()

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[StockRow]:
        """Count the tokens of each text after its prompt; one row per text, in order."""
        tokenizer: Any = self._model.tokenizer
        pairs = list(zip(texts, prompts, strict=True))
        limit = self._model.get_max_seq_length()
        if not isinstance(tokenizer, PreTrainedTokenizerBase) or limit is None:
            return [StockRow(text, prompt, len(text), len(text)) for text, prompt in pairs]
        with self._lock:
            lengths = [tokenization.count(tokenizer, prompt + text) for text, prompt in pairs]
        return [
            StockRow(text, prompt, min(length, limit), length)
            for (text, prompt), length in zip(pairs, lengths, strict=True)
        ]

    def groups(self, rows: Sequence[Any]) -> list[list[int]]:
        """Positions by prompt: a stock model knows one prompt per batch."""
        by_prompt: dict[str, list[int]] = {}
        for position, row in enumerate(rows):
            by_prompt.setdefault(row.prompt, []).append(position)
        return list(by_prompt.values())

    def collate(self, rows: Sequence[StockRow], role: str) -> dict[str, Any]:
        """One padded batch."""
        with self._lock:
            return self._model.preprocess(
                [row.text for row in rows], prompt=rows[0].prompt or None, task=role
            )
