"""Requests of one call: several under way at once, halved where the server wants fewer texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from youtu_st.engines.answers import Row
from youtu_st.errors import EngineError, InputError
from youtu_st.inference.unique import Unique
from youtu_st.protocol import Vectors


class Refused(EngineError):
    """The server refused a request for what it holds: parts of it may pass."""


class TextRefused(InputError):
    """The server refused one text of a request.

    Args:
        at: Which text of the request.
        reason: What is wrong with it, fit to stand after ``text 3``.
    """

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at


@dataclass(frozen=True, slots=True)
class Plan:
    """How the texts of one call are sent.

    Attributes:
        beside: What a request is told beside each text: its prompt, or what becomes one elsewhere.
        prompts: What stands before each text in the network, as far as that is known here.
        ask: Sends texts, with what goes beside them, in one request.
        model: What messages call the model.
        dimension: Length of the vectors that come.
        size: Values of each to keep; None: vectors as they come.
        texts: Of a request at most.
        cut: Of the different texts that the server cut, their number; a request adds its own.
    """

    beside: list[str]
    prompts: list[str]
    ask: Callable[[list[str], list[str]], list[Row]]
    model: str
    dimension: int
    size: int | None
    texts: int
    cut: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller wants encoded, and what becomes of it.

    Attributes:
        unique: The texts, each once, with what goes beside them in the place of prompts.
        ask: Sends texts, with what goes beside them, in one request.
        check: Turns an answer, and where its texts stand in what the caller passed, into rows.
        vectors: Where the rows go, one for each of the texts.
        slots: Entered by every request; lets in as many as may be under way.
    """

    unique: Unique
    ask: Callable[[list[str], list[str]], list[Row]]
    check: Callable[[list[Row], list[int]], Vectors]
    vectors: Vectors
    slots: AbstractContextManager[Any]

    def batches(self, size: int, *, one_prompt: bool) -> list[list[int]]:
        """Which texts go together: at most ``size``, all after one prompt if ``one_prompt``."""
        together: dict[str, list[int]] = {}
        for i, prompt in enumerate(self.unique.prompts):
            together.setdefault(prompt if one_prompt else "", []).append(i)
        return [same[at : at + size] for same in together.values() for at in range(0, len(same), size)]

    def run(self, batches: list[list[int]], concurrency: int) -> Iterator[int]:
        """Send all batches. The first error ends it: what nobody has sent yet is left out.

        Yields:
            How many of the caller's texts are done with each batch, in any order.
        """
        if len(batches) <= 1:
            yield from map(self._one, batches)
            return
        threads = ThreadPoolExecutor(min(concurrency, len(batches)), "youtu-st-engine")
        try:
            for future in as_completed([threads.submit(self._one, batch) for batch in batches]):
                yield future.result()
        finally:
            threads.shutdown(cancel_futures=True)

    def _one(self, batch: list[int]) -> int:
        with self.slots:
            self._send(batch)
        return self.unique.count(batch)

    def _send(self, batch: list[int]) -> None:
        texts, prompts = self.unique.texts, self.unique.prompts
        positions = [self.unique.positions[i] for i in batch]
        try:
            answer = self.ask([texts[i] for i in batch], [prompts[i] for i in batch])
        except TextRefused as error:
            raise InputError(f"text {positions[error.at]} {error}") from error
        except Refused as error:
            if len(batch) == 1:
                raise EngineError(f"text {positions[0]}: {error}") from error
        else:
            self.vectors[batch] = self.check(answer, positions)
            return
        half = len(batch) // 2
        self._send(batch[:half])
        self._send(batch[half:])
