"""The first rows of other people's tables, from which their formats are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from youtu_st.errors import InputError
from youtu_st.evaluation.data.files import records
from youtu_st.evaluation.data.record import Record
from youtu_st.training.data.tally import Tally

_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a source, from which its format is told."""

    path: Path
    records: Sequence[Record]

    @property
    def names(self) -> list[str]:
        """The fields of all of them, in order."""
        return list(dict.fromkeys(name for record in self.records for name in record.values))

    def column(self, name: str) -> list[Any]:
        """What a field holds, where it holds something."""
        values = [record.values.get(name) for record in self.records]
        return [value for value in values if value is not None]


def sample(path: Path) -> Sample:
    """The first well-formed rows.

    Raises:
        InputError: If the file cannot be read, or has none.
    """
    tally = Tally()
    found = list(islice(records(path, tally.error), _SAMPLE))
    if not found:
        why = f": {tally.lines[0]}" if tally.lines else ""
        raise InputError(f"{path}: there is no row in it that can be read{why}")
    return Sample(path, found)
