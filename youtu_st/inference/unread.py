"""Texts that the model's vocabulary cannot read, and what the caller wants to happen then."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal

from youtu_st.errors import InputError, UnknownTokenWarning
from youtu_st.probes import PROBING
from youtu_st.spec.languages import script_of, smallest_that_reads

Unknown = Literal["warn", "error", "ignore"]

NOTED = 0.1
"""Share of a text that is not read, from which on it is noted: an emoji in a sentence is not."""
LOOKED_AT = 10_000
"""Characters of a text whose script is looked at."""


class UnreadReport:
    """What was not read in one call.

    Args:
        policy: ``warn``, ``error`` or ``ignore``.
        name: What to call the text at a position.
        model: The embedding model's name; None for any other, whose user is told of no better one.
    """

    def __init__(self, policy: Unknown, name: Callable[[int], str], model: str | None) -> None:
        self.policy = policy
        self.name = name
        self.model = model
        self.texts = 0
        self.shares = 0.0
        self.first: tuple[int, float] = (0, 0.0)
        self.worst: tuple[float, str] = (0.0, "")

    def add(self, text: str, share: float, position: int, count: int) -> None:
        """Take note of a text.

        Args:
            text: The text.
            share: How much of it is not read, from 0 to 1.
            position: Where it stands first in what the caller passed; ascending.
            count: How often it occurs there.

        Raises:
            InputError: Under ``error``, naming it.
        """
        if share < NOTED or PROBING.get():
            return
        if not self.texts:
            self.first = (position, share)
        if share > self.worst[0]:
            self.worst = (share, text)
        self.texts += count
        self.shares += share * count
        if self.policy == "error":
            raise InputError(
                f"{share:.0%} of {self.name(position)} is nothing that the model's vocabulary can read"
                f"{self._advice()}; or pass unknown='warn' or 'ignore'"
            )

    def warn(self, seen: int, *, stacklevel: int) -> None:
        """Under ``warn``, say once how much of ``seen`` texts was not read."""
        if self.texts and self.policy == "warn":
            position, share = self.first
            warnings.warn(
                f"the model's vocabulary cannot read much of {self.texts} of {seen} texts, "
                f"{self.shares / self.texts:.0%} of them on average: the first is {self.name(position)} with "
                f"{share:.0%}. Their vectors say little of them{self._advice()}",
                UnknownTokenWarning,
                stacklevel=stacklevel + 1,
            )

    def _advice(self) -> str:
        script = script_of(self.worst[1][:LOOKED_AT])
        better = smallest_that_reads(script) if self.model else None
        if better is None or better.name == self.model:
            return ""
        return f": {better.name} is the smallest model in the catalogue that reads {script} script"
