"""Texts to batches that may mix prompts: what stands between texts and a network, whatever runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from youtu_st.errors import InputError
from youtu_st.inference.batches import Group
from youtu_st.modules.tokenization import TokenizedText

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


class TextBatches(Protocol):
    """What makes batches of texts: :class:`~youtu_st.InstructionTransformer`, or the half of it that needs no
    torch, :class:`~youtu_st.modules.texts.Texts`.
    """

    @property
    def reuses_prefixes(self) -> bool:
        """Whether rows that begin with the same tokens have these computed once."""

    def tokenize_texts(
        self, texts: Sequence[str], prompts: str | Sequence[str] | None = None
    ) -> list[TokenizedText]:
        """Tokenise each text after its prompt."""

    def collate(self, rows: Sequence[TokenizedText]) -> dict[str, Any]:
        """Pad tokenised texts to one batch."""


class InstructionPreprocessor:
    """Tokenises once, and mixes prompts in a batch.

    Args:
        transformer: The model's first module, or what stands for it.
        by_role: Whether queries and documents never share a batch.
    """

    def __init__(self, transformer: TextBatches, *, by_role: bool = False) -> None:
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


def with_one_prompt(rows: Sequence[Any]) -> list[tuple[str, list[int]]]:
    """Prompts that enough rows stand after, with the positions of these; then all other rows, under none."""
    alike = by_prompt(rows)
    rest = [i for positions in alike.values() if len(positions) < LEAST_GROUP for i in positions]
    groups = [(prompt, positions) for prompt, positions in alike.items() if len(positions) >= LEAST_GROUP]
    return [*groups, ("", rest)] if rest else groups


def by_prompt(rows: Sequence[Any]) -> dict[str, list[int]]:
    """Positions of the rows that stand after each prompt, in order."""
    positions: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        positions.setdefault(row.prompt, []).append(position)
    return positions
