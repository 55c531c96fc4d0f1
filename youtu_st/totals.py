"""What an encoder has done since it was made."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass

from youtu_st.batching import padding_waste


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the encoder was made.

    Attributes:
        texts: Texts that were asked for.
        encoded_texts: Texts that went through the network; equal texts of one call go once.
        tokens: Tokens of these, prompts and special tokens included.
        padded_tokens: The same with padding.
        batches: Batches that they went in.
    """

    texts: int = 0
    encoded_texts: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    batches: int = 0

    @property
    def padding_waste(self) -> float:
        """Share of the network's work that was padding, from 0 to 1."""
        return padding_waste(self.tokens, self.padded_tokens)


class Counter:
    """Totals that many threads add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals = Totals()

    @property
    def totals(self) -> Totals:
        """The counts so far."""
        return self._totals

    def add(self, **counts: int) -> None:
        """Add to some of the counts, by their names."""
        with self._lock:
            now = asdict(self._totals)
            self._totals = Totals(**{**now, **{name: now[name] + more for name, more in counts.items()}})
