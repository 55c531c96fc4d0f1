"""Requests of one call: several under way at once, halved where the server wants fewer texts, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from youtu_st.errors import EngineError
from youtu_st.inference.unique import Unique
from youtu_st.inputs import unit_rows
from youtu_st.protocol import Vectors
from youtu_st.spec.model import ModelSpec

Row = tuple[Any, Any]
"""Where in the request a vector belongs, if the server says so (else None), and the vector."""


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


def check_answer(
    answer: Sequence[Row], positions: Sequence[int], *, spec: ModelSpec, server: str, size: int | None
) -> Vectors:
    """One finite vector for each text, in the order of the texts.

    Args:
        answer: What the server sent.
        positions: Where each text stands in what the caller passed, for messages.
        spec: Says how long a vector is.
        server: Where the server is, for messages.
        size: Values of each vector to keep before it is scaled to unit length. None: vectors as they came.

    Returns:
        Shape ``(len(positions), size or spec.dimension)``, float32.

    Raises:
        EngineError: If it is anything else.
    """
    if len(answer) != len(positions):
        raise EngineError(f"{server} sent {len(answer)} vectors for {len(positions)} texts")
    sent = [row for _, row in _in_order(answer, server)]
    try:
        with np.errstate(over="ignore"):  # found below
            vectors = np.asarray(sent, dtype=np.float64).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise EngineError(f"{server} sent something else than vectors of one length") from error
    if vectors.ndim != 2 or vectors.shape[1] != spec.dimension:
        raise EngineError(
            f"{server} sent vectors of {vectors.shape[-1]} dimensions, and {spec.name} has "
            f"{spec.dimension}: does it serve that model, uncut?"
        )
    kept = vectors[:, :size]
    broken = ~(np.isfinite(vectors).all(axis=1) & kept.any(axis=1))
    if broken.any():
        raise EngineError(
            f"{server} sent a vector that is not finite or zero for text {positions[int(broken.argmax())]}"
        )
    return vectors if size is None else unit_rows(kept, kept.shape, "the server's vectors", EngineError)


def _in_order(answer: Sequence[Row], server: str) -> Sequence[Row]:
    """By the positions that the server gives, where it gives any."""
    given = [index for index, _ in answer]
    if all(index is None for index in given):
        return answer
    if not all(isinstance(index, int) for index in given) or sorted(given) != list(range(len(given))):
        raise EngineError(f"{server} says that its {len(given)} vectors are for the texts {given[:8]}")
    return sorted(answer, key=lambda row: row[0])
