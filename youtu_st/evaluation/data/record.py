"""A row of a table or a line of JSON: its fields, and where it stands, for messages."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from youtu_st.errors import InputError, brief, printable

_MOST_NAMES = 20
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*")


class RecordError(InputError):
    """A row of a source is malformed: file, line, field and what was expected.

    Args:
        where: The file and the line.
        reason: What is wrong, without the row's own values: rows are counted by it.
        found: What was found instead, ``", not 3"``.
    """

    def __init__(self, where: str, reason: str, found: str = "") -> None:
        super().__init__(printable(f"{where}: {reason}{found}"))
        self.reason = printable(reason)


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a source: its line, from 1, where it stands, for messages, and its fields."""

    line: int
    where: str
    values: Mapping[str, Any]

    def fail(self, field: str, expected: str, *found: object) -> NoReturn:
        """Raise for a field.

        Raises:
            RecordError: Naming file, line, field, what was expected and what was found.
        """
        told = f", not {brief(found[0])}" if found else ""
        raise RecordError(self.where, f"field {field[:100]!r} {expected}", told)

    def text(self, field: str, *, blank: bool = False) -> str:
        """A text that is there.

        Args:
            field: Its name.
            blank: Whether it may be blank.

        Raises:
            RecordError: If it is missing, no str, blank, or holds half of a character.
        """
        if self.values.get(field) is None:
            self.fail(field, "must be a text, and is missing")
        return self._text(field, self.values[field], blank=blank)

    def texts(self, field: str) -> list[str]:
        """A text, or a list of them; none where the field is missing, null or an empty cell.

        Raises:
            RecordError: As for :meth:`text`, of any of them.
        """
        value = self.values.get(field)
        if value is None or value == "":
            return []
        if not isinstance(value, list | tuple):
            return [self._text(field, value)]
        return [self._text(f"{field}[{i}]", each) for i, each in enumerate(value)]

    def number(self, field: str) -> float:
        """A finite number; a table has it as digits.

        Raises:
            RecordError: If it is none.
        """
        number = as_number(self.values.get(field))
        if number is None:
            self.fail(field, "must be a finite number", self.values.get(field))
        return number

    def numbers(self, field: str, count: int) -> tuple[float, ...] | None:
        """A list of so many finite numbers; None where the field is missing, null or an empty list.

        Raises:
            RecordError: If it is something else.
        """
        values = self.values.get(field)
        if values is None or values == []:
            return None
        numbers = list(map(as_number, values)) if isinstance(values, list | tuple) else []
        if len(numbers) != count or None in numbers:
            self.fail(field, f"must be a list of {count} finite numbers", values)
        return tuple(number for number in numbers if number is not None)

    def _text(self, field: str, value: object, *, blank: bool = False) -> str:
        if not isinstance(value, str):
            self.fail(field, "must be a text", value)
        if not blank and not value.strip():
            self.fail(field, "must be a text, and is empty" if not value else "must be a text, and is blank")
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(field, "must be a text, and holds half of a character, a lone surrogate", value)
        return value


def place(path: Path, number: int) -> str:
    """A row's place, for messages: a file and a line, from 1, or a row where there are no lines."""
    return f"{path}, {'row' if path.suffix.lower() == '.parquet' else 'line'} {number}"


def as_number(value: object) -> float | None:
    """The finite number that a value is, or that its digits are; None: it is none."""
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an int beyond all floats
        return None


def listed(names: Sequence[str]) -> str:
    """The first of some names, the beginning of each."""
    more = len(names) - _MOST_NAMES
    shown = ", ".join(printable(name[:50]) for name in names[:_MOST_NAMES])
    return f"{shown} and {more:,} more" if more > 0 else shown
