"""Texts that begin with the very prompt that is put before them, and so have it twice."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from youtu_st.errors import RepeatedPromptWarning
from youtu_st.inference.unique import Unique

SHOWN = 100
"""Characters of a prompt that are shown."""


class RepeatedReport:
    """How many texts of one call come with their prompt.

    Args:
        name: What to call the text at a position.
    """

    def __init__(self, name: Callable[[int], str] = "text {}".format) -> None:
        self.name = name
        self.texts = 0
        self.first: tuple[int, str] = (0, "")

    def add(self, block: Unique) -> None:
        """Take note of a block of texts and their prompts."""
        for text, prompt, position, count in zip(
            block.texts, block.prompts, block.positions, block.counts, strict=True
        ):
            bare = prompt.strip()
            if bare and text.lstrip().startswith(bare):
                self.first = self.first if self.texts else (position, bare)
                self.texts += count

    def warn(self, seen: int, *, stacklevel: int) -> None:
        """Say once how many of ``seen`` texts there were."""
        if self.texts:
            position, prompt = self.first
            warnings.warn(
                f"{self.texts} of {seen} texts begin with the prompt that is put before them, and so have it "
                f"twice, beginning with {self.name(position)}: pass texts without {prompt[:SHOWN]!r}",
                RepeatedPromptWarning,
                stacklevel=stacklevel + 1,
            )
