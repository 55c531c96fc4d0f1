"""Whether something was there before, in 24 bytes for each: no text is kept."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xxhash


def digest(*parts: str) -> int:
    """64 bits that stand for texts in their order: of a million, two are the same by one chance in 10^7."""
    state = xxhash.xxh3_64()
    for part in parts:
        content = part.encode()
        state.update(len(content).to_bytes(8, "little"))  # "ab", "c" is not "a", "bc"
        state.update(content)
    return state.intdigest()


@dataclass(frozen=True, slots=True)
class Again:
    """Something that was there before.

    Attributes:
        file: The number of the file that it is in.
        line: Its line.
        value: What stands there.
        first_file: The number of the file where it was first.
        first_line: The line there.
        first_value: What stands there.
    """

    file: int
    line: int
    value: float
    first_file: int
    first_line: int
    first_value: float


class Seen:
    """Digests in the order in which they came, each with its place and a number."""

    def __init__(self) -> None:
        self._digests, self._places, self._values = array("Q"), array("Q"), array("d")

    def add(self, key: int, file: int, line: int, value: float = 0.0) -> None:
        """Take what stands in a line of a file."""
        self._digests.append(key)
        self._places.append(file << 44 | line)
        self._values.append(value)

    def again(self) -> Iterator[Again]:
        """All that was there before, in order, each beside its first."""
        keys = np.frombuffer(self._digests, dtype=np.uint64)
        if not len(keys):
            return
        order = np.argsort(keys, kind="stable")
        starts = np.r_[True, keys[order][1:] != keys[order][:-1]]
        firsts = order[np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))]
        pairs = np.stack([order, firsts], axis=1)[~starts]
        for number, first in pairs[np.argsort(pairs[:, 0])].tolist():
            yield Again(*self._at(number), *self._at(first))

    def _at(self, number: int) -> tuple[int, int, float]:
        place = self._places[number]
        return place >> 44, place & ((1 << 44) - 1), self._values[number]
