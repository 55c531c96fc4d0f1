"""What a run will cost, before it is paid for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from youtu_st.training.data.rows import Row
from youtu_st.training.synthesis.prompts import Synthesis, messages

LETTERS_A_TOKEN = 4
"""Of alphabets; a letter beyond U+2E80, as of Chinese, is taken for a token of its own."""
_OF_A_MESSAGE = 4
"""Tokens that mark where a message begins and ends."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What a million tokens cost, in any currency: those that are read, and those that are written."""

    read: float = 0.0
    written: float = 0.0

    def of(self, read: int, written: int) -> float:
        """What so many tokens cost."""
        return (read * self.read + written * self.written) / 1e6


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will ask, where each first answer has the right shape.

    Attributes:
        calls: One a row that has no answer yet.
        read: Tokens of all prompts, guessed from their letters.
        written: Tokens of all answers, guessed from the texts that they are to be like.
        tries: So many times as much it can be at most.
    """

    calls: int
    read: int
    written: int
    tries: int


def estimate(synthesis: Synthesis, rows: Iterable[Row]) -> Estimate:
    """What it will take to ask about rows."""
    calls = read = written = 0
    for row in rows:
        calls += 1
        read += sum(_OF_A_MESSAGE + tokens(message["content"]) for message in messages(synthesis, row))
        like = row.query if synthesis.mode == "paraphrase" else row.positives[0]
        answer = json.dumps(
            {"texts": [like.text[: synthesis.longest]] * synthesis.number}, ensure_ascii=False
        )
        written += tokens(answer)
    return Estimate(calls, read, written, synthesis.tries)


def tokens(text: str) -> int:
    """About how many tokens a text has: no two models cut it alike."""
    wide = sum(letter >= "\u2e80" for letter in text)
    return wide + -(-(len(text) - wide) // LETTERS_A_TOKEN)
