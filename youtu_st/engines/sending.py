"""Requests of one call: several under way at once, halved where the server wants fewer texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from youtu_st.engines.answers import Row
from youtu_st.errors import EngineError
from youtu_st.inference.unique import Unique
from youtu_st.protocol import Vectors


class Refused(EngineError):
    """The server refused a request for what it holds: parts of it may pass."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller wants encoded, and what becomes of it.

    Attributes:
        unique: The texts, each once.
        ask: Sends texts with their prompts in one request.
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
        except Refused as error:
            if len(batch) == 1:
                raise EngineError(f"text {positions[0]}: {error}") from error
        else:
            self.vectors[batch] = self.check(answer, positions)
            return
        half = len(batch) // 2
        self._send(batch[:half])
        self._send(batch[half:])
