"""What a store is asked for, as a source and as a destination."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from youtu_st.errors import InputError, StoreError, brief
from youtu_st.probes import EncoderRecord
from youtu_st.protocol import Vectors
from youtu_st.scale.copying.record import CopyRecord
from youtu_st.scale.copying.rows import Rows


class Store(Protocol):
    """What both ends have."""

    @property
    def name(self) -> str:
        """What the user calls it; without any key."""

    def count(self) -> int:
        """Rows that are there now."""

    def rows_of(self, ids: list[str]) -> Rows:
        """The rows of some ids, in their order; those that are not there are left out."""

    def close(self) -> None:
        """Let go of files, threads and connections."""


class Source(Store, Protocol):
    """Where rows come from."""

    @property
    def encoder(self) -> EncoderRecord:
        """The encoder of the vectors."""

    @property
    def settings(self) -> Mapping[str, int]:
        """What an index remembers of how its documents were made; else nothing."""

    def check_source(self) -> None:
        """Refuse to be read where that would give less than all, or nobody knows whose vectors they are.

        Raises:
            YoutuError: Saying what is to be done.
        """

    def survey(self, columns: Collection[str]) -> Iterator[Rows]:
        """All rows in the order of :meth:`blocks`, without vectors: ``(0, dimension)``.

        Args:
            columns: Which of ``text`` and ``metadata`` are looked at: the others may be None, or ``{}`` if
                they are sure to be JSON.
        """

    def blocks(self) -> Iterator[Rows]:
        """All rows, each once, in an order that is the same every time; a bounded number at a time."""


class Destination(Store, Protocol):
    """Where rows go."""

    @property
    def record(self) -> CopyRecord | None:
        """Of the copy that was begun here; None: there is nothing of that name."""

    @property
    def bounded(self) -> Collection[str]:
        """Which of ``text`` and ``metadata`` :meth:`fault` looks at."""

    def admit(self, encoder: EncoderRecord) -> None:
        """Raise for what the store cannot be for these vectors, before anything is made.

        Raises:
            InputError: Saying what its limit is.
        """

    def fault(self, rows: Rows) -> tuple[int, str] | None:
        """The first row that the store cannot hold: its place, and why. The vectors are not looked at."""

    def create(self, record: CopyRecord) -> None:
        """Make it, empty, with its record. Rows are not indexed until :meth:`finish`."""

    def reopen(self, record: CopyRecord) -> None:
        """Go on with a copy that was begun; ``record`` is what :meth:`create` was given."""

    def present(self, ids: list[str]) -> set[str]:
        """Which of the ids are there; asked for only after :meth:`reopen`."""

    def write(self, rows: Rows) -> None:
        """Add rows, none of which is there."""

    def finish(self, record: CopyRecord) -> None:
        """Index what is there, make it ready for searches, and write the record."""

    def search(self, queries: Vectors, k: int) -> list[list[str]]:
        """For each unit row ``(n, dimension)`` the ids of the ``k`` nearest, as any search finds them."""


class Recorded:
    """What the stores share that keep a copy's record with their rows.

    Args:
        name: What the user calls it.
        record: The one that was found; None: there is nothing of that name.
        noun: What the store calls such a thing: ``table``.
    """

    def __init__(self, name: str, record: CopyRecord | None, noun: str) -> None:
        self.name = name
        self.record = record
        self._noun = noun

    def check_source(self) -> None:
        """Refuse what is not there, or not whole.

        Raises:
            InputError: If there is no such table or collection.
            StoreError: If a copy into it was not finished.
        """
        if self.record is None:
            raise InputError(f"there is no {self._noun} {self.name}")
        if not self.record.finished:
            raise StoreError(f"the copy into {self.name} was not finished: finish it with --resume")

    @property
    def encoder(self) -> EncoderRecord:
        """The encoder of the vectors."""
        return self._known.encoder

    @property
    def settings(self) -> Mapping[str, int]:
        """What the index remembered that the rows came from."""
        return self._known.settings

    def _row(self, id: object) -> str:
        """What a message calls a row."""
        return f"{self.name}: row {brief(id)}"

    @property
    def _known(self) -> CopyRecord:
        if self.record is None:
            raise InputError(f"there is no {self._noun} {self.name}")
        return self.record


def unknown(name: str) -> StoreError:
    """The error for what somebody else has made: whose vectors it holds is not known."""
    return StoreError(
        f"{name} has no record of the encoder of its vectors: it was not made by youtu-st index copy"
    )


def too_long(values: list[str], most: int) -> tuple[int, int] | None:
    """The first text of more than ``most`` bytes of UTF-8: its place, and its bytes."""
    if 4 * max(map(len, values), default=0) <= most:
        return None
    for place, value in enumerate(values):
        if len(value) > most // 4 and (length := len(value.encode())) > most:
            return place, length
    return None
