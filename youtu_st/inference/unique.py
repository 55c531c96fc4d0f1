"""Texts of a call, each once: equal texts get one row, computed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.inputs import check_texts


@dataclass(frozen=True, slots=True)
class Unique:
    """The different texts of a call, each after its prompt, in the order in which they come first.

    Attributes:
        texts: The texts.
        prompts: Their prompts.
        positions: Where each stands first in what the caller passed.
        counts: How often each occurs.
        inverse: Which of them each of the caller's texts is; None where no text comes twice.
    """

    texts: list[str]
    prompts: list[str]
    positions: list[int]
    counts: list[int]
    inverse: npt.NDArray[np.intp] | None

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def of(cls, texts: Sequence[str], prompts: Sequence[str], *, first: int = 0) -> Unique:
        """Deduplicate.

        Args:
            texts: What the caller passed.
            prompts: One for each text; equal texts after different prompts are different.
            first: Position of the first text.
        """
        seen: dict[tuple[str, str], int] = {}
        inverse = [seen.setdefault(pair, len(seen)) for pair in zip(prompts, texts, strict=True)]
        if len(seen) == len(texts):
            positions = list(range(first, first + len(texts)))
            return cls(list(texts), list(prompts), positions, [1] * len(texts), None)
        positions, counts = [-1] * len(seen), [0] * len(seen)
        for position, which in enumerate(inverse, start=first):
            if not counts[which]:
                positions[which] = position
            counts[which] += 1
        different_prompts, different_texts = zip(*seen, strict=True)
        return cls(list(different_texts), list(different_prompts), positions, counts, np.array(inverse))

    @classmethod
    def stream(cls, texts: Iterable[str], prompt: str, size: int) -> Iterator[Unique]:
        """Blocks of ``size`` texts of a stream, each deduplicated, all after one prompt.

        Raises:
            InputError: If a text is not a str, or blank; its position counts from the first text.
        """
        remaining, first = iter(texts), 0
        while block := list(islice(remaining, size)):
            yield cls.of(check_texts(block, first=first), [prompt] * len(block), first=first)
            first += len(block)

    def blocks(self, size: int) -> Iterator[Unique]:
        """At most ``size`` of the texts at a time."""
        for start in range(0, len(self.texts), size):
            part = slice(start, start + size)
            texts, prompts = self.texts[part], self.prompts[part]
            yield Unique(texts, prompts, self.positions[part], self.counts[part], None)

    def count(self, which: Sequence[int]) -> int:
        """How many of the caller's texts some of the different ones are."""
        return sum(self.counts[i] for i in which)

    def repeat(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One row for each of the caller's texts, from one for each different text."""
        return rows if self.inverse is None else rows[self.inverse]
