"""Texts to batches for any sentence-transformers model: ours, which mixes prompts, and the stock ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from sentence_transformers import SentenceTransformer
from transformers import PreTrainedTokenizerBase

from youtu_st.modules import tokenization
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.modules.transformer import InstructionTransformer

LEAST_GROUP = 8
"""Texts that share a prompt, from which on they are a batch of their own in a causal network."""


class Row(Protocol):
    """A tokenised text: how long it is, how long it was before it was cut, and whether it is blank."""

    @property
    def full_length(self) -> int:
        """Tokens before truncation, prompt and special tokens included."""

    @property
    def is_blank(self) -> bool:
        """Whether no token of the text is content."""

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that may share a batch.

    Attributes:
        positions: Which rows.
        padded: Whether the network computes padding between them: not where they share a prompt that is
            computed once, as their own tokens then go in one line.
    """

    positions: list[int]
    padded: bool = True


class Frontend(Protocol):
    """What stands between texts and the network."""

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[Row]:
        """Tokenise each text after its prompt; one row per text, in order."""

    def groups(self, rows: Sequence[Row]) -> list[Group]:
        """The rows that may share a batch; every row once."""

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

    def groups(self, rows: Sequence[Any]) -> list[Group]:
        """All together: each row carries its own mask. In a causal network, those of a prompt share it."""
        if not self._transformer.reuses_prefixes:
            return [Group(list(range(len(rows))))]
        groups = [
            Group(positions, padded=not prompt)
            for prompt, positions in by_prompt(rows).items()
            if len(positions) >= LEAST_GROUP
        ]
        taken = {position for group in groups for position in group.positions}
        rest = [position for position in range(len(rows)) if position not in taken]
        return [*groups, Group(rest)] if rest else groups

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
            lengths = tokenization.counts(tokenizer, [prompt + text for text, prompt in pairs])
        return [
            StockRow(text, prompt, min(length, limit), length)
            for (text, prompt), length in zip(pairs, lengths, strict=True)
        ]

    def groups(self, rows: Sequence[Any]) -> list[Group]:
        """Those of a prompt: a stock model knows one prompt per batch."""
        return [Group(positions) for positions in by_prompt(rows).values()]

    def collate(self, rows: Sequence[StockRow], role: str) -> dict[str, Any]:
        """One padded batch."""
        with self._lock:
            return self._model.preprocess(
                [row.text for row in rows], prompt=rows[0].prompt or None, task=role
            )


def by_prompt(rows: Sequence[Any]) -> dict[str, list[int]]:
    """Positions of the rows that stand after each prompt, in order."""
    positions: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        positions.setdefault(row.prompt, []).append(position)
    return positions
