"""The state of an index, and what each commit did: which files count, how much of them, their checksums."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from youtu_st.disk import checksum
from youtu_st.index.keys import Keys
from youtu_st.index.storage import files


@dataclass(frozen=True, slots=True)
class State:
    """Which files count, and how much of them.

    Attributes:
        commit: Raised by every transaction that writes.
        generation: The number of the vectors and journal files that count.
        journal_bytes: The journal's committed length.
        next_key: The next document's key; never used twice.
        documents: How many documents there are.
        changes: How many commits stand in the table ``changes``: those since the snapshot.
        snapshot: The checksum of the snapshot's file; 0 where an earlier release wrote it.
    """

    commit: int = 1
    generation: int = 0
    journal_bytes: int = 0
    next_key: int = 1
    documents: int = 0
    changes: int = 0
    snapshot: int = 0

    @property
    def checksum(self) -> int:
        """Stored beside the values, so that none of them changes unseen."""
        return checksum(
            f"{self.commit} {self.generation} {self.journal_bytes} {self.next_key} {self.documents} "
            f"{self.changes} {self.snapshot}".encode()
        )

    @classmethod
    def verified(cls, values: Mapping[str, int]) -> State:
        """From the names and values of the table.

        Raises:
            ValueError: If one is missing, is none, or not what was stored.
        """
        rest = {name: value for name, value in values.items() if name != "checksum"}
        if any(not isinstance(value, int) for value in rest.values()):
            raise ValueError("a value of its state is no number")
        try:
            state = cls(**rest)
        except TypeError as error:
            raise ValueError(f"its state has {sorted(map(str, values))}") from error
        if state.checksum != values.get("checksum") or min(state.journal_bytes, state.changes) < 0:
            raise ValueError("its state is not what was stored")
        return state


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit did to the vectors.

    Attributes:
        number: Which commit since the snapshot, from 1.
        stop: Where its vectors end in the journal, in bytes.
        vectors: The checksum of its bytes in the journal; None where an earlier release wrote them.
        removed: The keys that died.
    """

    number: int
    stop: int
    vectors: int | None
    removed: Keys

    @property
    def checksum(self) -> int:
        """Stored beside the rest."""
        return checksum(f"{self.number} {self.stop} {self.vectors} ".encode() + self.blob)

    @property
    def blob(self) -> bytes:
        """The removed keys as they are stored: little-endian, 8 bytes each."""
        return self.removed.astype("<i8").tobytes()

    @classmethod
    def verified(cls, number: int, stop: int, vectors: int, removed: bytes, stored: int) -> Change:
        """From a row of the table.

        Raises:
            ValueError: If it is not what was stored.
        """
        try:
            keys = np.frombuffer(removed, dtype="<i8").astype(np.int64)
        except TypeError as error:
            raise ValueError(f"change {number} is none") from error
        change = cls(number, stop, vectors, keys)
        if change.checksum != stored:
            raise ValueError(f"change {number} is not what was stored")
        return change


# -- the last commit, told outside of the database -----------------------------------------------------


def write_committed(directory: Path, commit: int) -> None:
    """Note, after a commit, that it was acknowledged: see :func:`read_committed`.

    Raises:
        OSError: If it cannot be noted. The commit stands.
    """
    with files.opened(directory / files.COMMITTED, os.O_WRONLY | os.O_CREAT) as descriptor:
        os.write(descriptor, _line(commit))


def read_committed(directory: Path) -> int:
    """The last commit that was acknowledged; 0 where nobody knows.

    SQLite takes a log whose end is damaged for one whose end was never written, and goes back to an older
    commit without a word. It cannot go back unseen behind this number, which stands in a file of its own,
    written after the commit and in one step. One that cannot be read (power cut before it reached the disk)
    tells nothing, and harms nothing.

    Raises:
        IndexDamagedError: If there is something else than a plain file.
        OSError: If it cannot be read.
    """
    try:
        with files.opened(directory / files.COMMITTED, os.O_RDONLY) as descriptor:
            content = os.read(descriptor, 100)
    except FileNotFoundError:
        return 0
    number = content[:20]
    return int(number) if number.isdigit() and content == _line(int(number)) else 0


def _line(commit: int) -> bytes:
    number = f"{commit:020d}".encode()
    return number + f" {checksum(number) % 2**64:016x}\n".encode()
