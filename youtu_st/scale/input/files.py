"""The files of a corpus, and what tells one from another of the same name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that rows are read from."""

    name: str
    path: str
    kind: str
    size: int
    digest: str
    rows: int = 0
