"""Texts to batches for any sentence-transformers model: ours, which mixes prompts, and the stock ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from transformers import PreTrainedTokenizerBase

from youtu_st.errors import InputError
from youtu_st.inference.batches import Group
from youtu_st.inference.tokenizer_lock import TokenizerLock
from youtu_st.modules import tokenization
from youtu_st.modules.settings import ours
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.modules.transformer import InstructionTransformer

LEAST_GROUP = 8
"""Texts that share a prompt, from which on they are a batch of their own in a causal network."""


class Row(Protocol):
    """A tokenised text: how long it is, how long it was before it was cut, and how much of it is read."""

    @property
    def full_length(self) -> int:
        """Tokens before truncation, prompt and special tokens included."""

    @property
    def is_whole(self) -> bool:
        """Whether all of the text was looked at, so that ``full_length`` is exact."""

    @property
    def unknown(self) -> float:
        """Share of the text that the vocabulary cannot read, from 0 to 1."""

    @property
    def is_blank(self) -> bool:
        """Whether no token of the text is content."""

    def __len__(self) -> int: ...


class Preprocessor(Protocol):
    """What stands between texts and the network; safe to call from many threads.

    Attributes:
        by_role: Whether queries and documents never share a batch.
    """

    by_role: bool

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[Any]:
        """Tokenise each text after its prompt; one :class:`Row` per text, in order."""

    def check(self, rows: Sequence[Any], name: Callable[[int], str]) -> None:
        """Raise if the network would read nothing of a text: its row would be that of the prompt.

        Args:
            rows: Tokenised texts.
            name: What to call each of them.

        Raises:
            InputError: Naming the first such text.
        """

    def groups(self, rows: Sequence[Any]) -> list[Group]:
        """The rows that may share a batch; every row once."""

    def collate(self, rows: Sequence[Any], role: str) -> dict[str, Any]:
        """One padded batch."""


def preprocessor_for(model: SentenceTransformer) -> Preprocessor:
    """The preprocessor that fits a model's first module."""
    mine = ours(model)
    if mine is None:
        return StockPreprocessor(model)
    routes = any(isinstance(module, Router) for module in model)
    return InstructionPreprocessor(mine, by_role=routes)


class InstructionPreprocessor:
    """For :class:`~youtu_st.InstructionTransformer`: tokenises once, and mixes prompts in a batch."""

    def __init__(self, transformer: InstructionTransformer, *, by_role: bool = False) -> None:
        self.transformer = transformer
        self.by_role = by_role

    def tokenize(self, texts: Sequence[str], prompts: Sequence[str]) -> Sequence[TokenizedText]:
        """Tokenise each text after its prompt; one row per text, in order."""
        return self.transformer.tokenize_texts(texts, prompts)

    def check(self, rows: Sequence[TokenizedText], name: Callable[[int], str]) -> None:
        """Raise if a text left no token of its own.

        Raises:
            InputError: Naming the text.
        """
        for i, row in enumerate(rows):
            if row.is_blank:
                raise InputError(f"{name(i)} is nothing to this model: none of its tokens is content")

    def groups(self, rows: Sequence[TokenizedText]) -> list[Group]:
        """All together: each row carries its own mask. In a causal network, those of a prompt share it."""
        if not self.transformer.reuses_prefixes:
            return [Group(list(range(len(rows))))]
        return [Group(positions, padded=not prompt) for prompt, positions in with_one_prompt(rows)]

    def collate(self, rows: Sequence[TokenizedText], role: str) -> dict[str, Any]:
        """One padded batch."""
        return self.transformer.collate(rows)


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
        return [Group(positions) for positions in _by_prompt(rows).values()]

    def collate(self, rows: Sequence[StockRow], role: str) -> dict[str, Any]:
        """One padded batch."""
        with self._lock.now:
            return self._model.preprocess(
                [row.text for row in rows], prompt=rows[0].prompt or None, task=role
            )


def with_one_prompt(rows: Sequence[Any]) -> list[tuple[str, list[int]]]:
    """Prompts that enough rows stand after, with the positions of these; then all other rows, under none."""
    alike = _by_prompt(rows)
    rest = [i for positions in alike.values() if len(positions) < LEAST_GROUP for i in positions]
    groups = [(prompt, positions) for prompt, positions in alike.items() if len(positions) >= LEAST_GROUP]
    return [*groups, ("", rest)] if rest else groups


def _by_prompt(rows: Sequence[Any]) -> dict[str, list[int]]:
    """Positions of the rows that stand after each prompt, in order."""
    positions: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        positions.setdefault(row.prompt, []).append(position)
    return positions
