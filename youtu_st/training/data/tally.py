"""What a conversion leaves out, and why: each row is counted, the first ones are told line by line."""

from __future__ import annotations

from collections import Counter

from youtu_st.errors import printable
from youtu_st.evaluation.data.record import RecordError
from youtu_st.training.data.rows import RowError

MOST = 20
"""Lines that are kept of errors, and of rows that are left out: the rest is counted."""
MOST_OF_A_REASON = 5


class Tally:
    """Takes what is left out of a conversion.

    Attributes:
        errors: Rows that are malformed, by reason.
        left_out: Rows, or parts of them, that are well-formed and give no row of training, by reason.
        lines: The first errors, a line each, with file, line and field.
        notes: The first rows that are left out, and what else a reader should know.
    """

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.lines: list[str] = []
        self.notes: list[str] = []

    def error(self, error: RowError | RecordError) -> None:
        """Count a malformed row."""
        reason = error.reason if isinstance(error, RecordError) else "not a row of CoDiEmb's format"
        self.errors[reason] += 1
        if self.errors[reason] <= MOST_OF_A_REASON and len(self.lines) < MOST:
            self.lines.append(str(error))

    def leave_out(self, where: str, reason: str) -> None:
        """Count a row, or a part of one, that is left out."""
        self.left_out[reason] += 1
        told = sum(min(number, MOST_OF_A_REASON) for number in self.left_out.values())
        if self.left_out[reason] <= MOST_OF_A_REASON and told <= MOST:
            self.notes.append(printable(f"{where}: left out: {reason}"))

    def note(self, message: str) -> None:
        """Keep what a reader should know, once."""
        message = printable(message)
        if message not in self.notes:
            self.notes.append(message)
