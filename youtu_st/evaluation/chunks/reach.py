"""How much of the results is read: so many passages, or so many tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from youtu_st.inputs import check_count


@dataclass(frozen=True, slots=True)
class Reach:
    """The first passages, or a budget of tokens: what a reader of the results takes in.

    Passages of many tokens say more than as many short ones, so settings are compared at equal budgets.

    Attributes:
        unit: What is counted.
        most: How many of them.

    Raises:
        InputError: If ``most`` is less than 1.
    """

    unit: Literal["passages", "tokens"]
    most: int

    def __post_init__(self) -> None:
        check_count("passages to read" if self.unit == "passages" else "budget of tokens", self.most)

    def __str__(self) -> str:
        return f"{self.most:,} {self.unit if self.most > 1 else self.unit[:-1]}"

    def taken(self, lengths: Iterable[int]) -> Iterator[int]:
        """Of passages in the order they were found, tokens that are read of each; the last may be cut.

        Args:
            lengths: Tokens of each, at least 1. No more of them are asked for than are read.
        """
        left = self.most
        for length in lengths:
            read = length if self.unit == "passages" else min(length, left)
            yield read
            left -= 1 if self.unit == "passages" else read
            if not left:
                return
