"""What is met while files are found and read: problems, and what a reader should know of."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

from youtu_st.corpus.conditions import below
from youtu_st.errors import YoutuError

MOST_OF_A_FILE = 5
"""Problems of one file that are told one by one: what is wrong with a table is wrong with all its lines."""
MOST = 100

_log = logging.getLogger(__name__)


class Notes:
    """Stops at the first problem by raising it, and logs the rest."""

    def problem(self, error: YoutuError, source: str, *, below: bool = False) -> None:
        """Take a problem: what is left out because of it, and why, in one line.

        Args:
            error: The message names the file, and the line or page where it is one's.
            source: The file's name, see :class:`~youtu_st.corpus.SourceFile`.
            below: It is a folder's name, and all below it is left out.
        """
        raise error

    def note(self, message: str) -> None:
        """Take what is no problem, and may still not be what the reader thinks: one line."""
        _log.warning("%s", message)


class Gathered(Notes):
    """Gathers everything, so that all of it can be told together.

    Attributes:
        notes: All notes, in order.
        count: Number of problems, those that :meth:`lines` does not tell one by one among them.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.count = 0
        self._lines: list[tuple[str, str]] = []
        self._of_file: Counter[str] = Counter()
        self._folders: set[str] = set()

    def problem(self, error: YoutuError, source: str, *, below: bool = False) -> None:
        """Keep a problem."""
        self.count += 1
        self._of_file[source] += 1
        if below:
            self._folders.add(source)
        if self._of_file[source] <= MOST_OF_A_FILE:
            self._lines.append((source, str(error)))

    def note(self, message: str) -> None:
        """Keep a note."""
        self.notes.append(message)

    def __contains__(self, source: object) -> bool:
        """Whether something of a file, or the whole file, was left out."""
        return source in self._of_file

    def lines(self) -> Iterator[str]:
        """The problems, one line each; of a file the first few and a count, and so of all.

        One that many files have, such as a package that is missing, is one line.
        """
        shown = 0
        same = Counter(line for _, line in self._lines)
        for i, (source, line) in enumerate(self._lines):
            if shown >= MOST:
                break
            if not (alike := same.pop(line, 0)):
                continue
            yield line if alike == 1 else f"{line} (for {source}, and {alike - 1:,} more)"
            shown += 1
            last = i + 1 == len(self._lines) or self._lines[i + 1][0] != source
            if last and (more := self._of_file[source] - MOST_OF_A_FILE) > 0:
                yield f"{source}: {more:,} more like these"
                shown += more
        told = sum(min(n, MOST_OF_A_FILE) for n in self._of_file.values())
        if told > MOST:
            yield f"... and of {len(self._of_file):,} files in all, {self.count:,} problems"

    def spoiled(self) -> tuple[dict[str, Any], ...]:
        """Filters for :class:`~youtu_st.index.VectorIndex`: passages of files that had a problem."""
        names = [source for source in self._of_file if source not in self._folders]
        return ({"source": {"$in": names}}, *map(below, sorted(self._folders)))
