"""Request: the texts of one call, tokenised, on their way through the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from youtu_st.inference.batches import Group
from youtu_st.inference.unique import Unique

Rows = npt.NDArray[np.float32]
Found = npt.NDArray[np.float32] | BaseException
"""What became of one text: its row, or why there is none."""


class Piece(NamedTuple):
    """One text of a request."""

    request: Request
    i: int

    @property
    def row(self) -> Any:
        """The text in tokens."""
        return self.request.rows[self.i]

    @property
    def tokens(self) -> int:
        """How many these are."""
        return self.request.lengths[self.i]


class Lane(Protocol):
    """One model as the scheduler sees it: what may go together, and how it is run.

    Attributes:
        name: What it is called where figures are kept.
    """

    name: str

    @property
    def batch_tokens(self) -> int:
        """Tokens of a batch."""

    def plan(self, pieces: Sequence[Piece]) -> list[Group]:
        """Which pieces may go together; every piece once."""

    def run(self, pieces: Sequence[Piece], group: Group) -> list[Found]:
        """What becomes of each piece of a batch, in order.

        Args:
            pieces: The batch.
            group: As :meth:`plan` gave it, with the positions of ``pieces``.

        Raises:
            Exception: If the batch as a whole failed: then each request's pieces are tried apart.
        """


@dataclass(slots=True, eq=False)
class Request:
    """The texts of one call, each once, and what becomes of them.

    Attributes:
        lane: The model that they are for.
        unique: The texts.
        rows: Their tokens: what has a length, in tokens.
        output: What is asked for; its ``shape`` is that of a row.
        name: What the caller knows the text at a position as.
        noticed: What was noticed while they were read; said by the caller's own thread.
        answer: One row for each of the caller's texts, or the first error.
        reading: Seconds that tokenising took, with waiting for it.
        waiting: Seconds between then and the answer in which no batch held any of the texts.
        computing: Seconds of the batches that held them.
    """

    lane: Lane
    unique: Unique
    rows: Sequence[Any]
    output: Any
    name: Callable[[int], str] = "text {}".format
    noticed: Any = None
    answer: Future[Rows] = field(default_factory=Future)
    reading: float = 0.0
    waiting: float = 0.0
    computing: float = 0.0
    lengths: list[int] = field(init=False)
    left: dict[int, int] = field(init=False)
    """Texts that are in no batch yet, with their tokens: the longest first, as those of a batch are alike."""
    _filled: Rows | None = field(init=False, default=None)
    _missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.lengths = [max(len(row), 1) for row in self.rows]
        self._missing = len(self.lengths)
        order = sorted(range(self._missing), key=lambda i: -self.lengths[i])
        self.left = {i: self.lengths[i] for i in order}

    @property
    def texts(self) -> int:
        """Texts of the caller, repeats included."""
        return sum(self.unique.counts)

    @property
    def encoded_texts(self) -> int:
        """Different texts: what goes through the network."""
        return len(self.rows)

    @property
    def tokens(self) -> int:
        """Tokens of the different texts, prompts included: what the queue counts."""
        return sum(self.lengths)

    @property
    def asked_tokens(self) -> int:
        """Tokens of the caller's texts, repeats and prompts included."""
        return sum(n * count for n, count in zip(self.lengths, self.unique.counts, strict=True))

    @property
    def cut(self) -> list[tuple[int, int]]:
        """Texts that are longer than the model reads: where each stands first, and how many tokens it has."""
        return [
            (position, row.full_length)
            for position, row in zip(self.unique.positions, self.rows, strict=True)
            if row.full_length > len(row)
        ]

    @property
    def cut_texts(self) -> int:
        """How many of the caller's texts are longer than the model reads."""
        return sum(
            count
            for row, count in zip(self.rows, self.unique.counts, strict=True)
            if row.full_length > len(row)
        )

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more, or it is there."""
        return self.answer.done()

    def fill(self, found: Sequence[tuple[int, Found]]) -> None:
        """Take the rows of some texts; the last of them, or the first error, is the answer."""
        for i, row in found:
            if isinstance(row, BaseException):
                self.fail(row)
                return
            if self._filled is None:
                self._filled = np.empty((len(self.rows), *row.shape), dtype=np.float32)
            self._filled[i] = row
        self._missing -= len(found)
        if not self._missing and self._filled is not None and self.answer.set_running_or_notify_cancel():
            self.answer.set_result(self.unique.repeat(self._filled))

    def fail(self, error: BaseException) -> None:
        """Answer with an error, unless the caller has gone."""
        with suppress(InvalidStateError):  # cancelled, or failed already
            self.answer.set_exception(error)


Steps = Iterator[Request | int]
"""Reading a call's texts in steps of some milliseconds each: tokens so far, and the request in the end."""
