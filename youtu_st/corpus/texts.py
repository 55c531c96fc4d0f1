"""Texts that are encoded one by one, as they stand: lines, or one field of a table."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from youtu_st.corpus.readers import read_lines, read_records
from youtu_st.errors import InputError

STANDARD_INPUT = "-"
SUFFIXES = (".csv", ".jsonl", ".txt")


def read_texts(file: str | Path) -> Iterator[str]:
    """Read texts: lines of a ``.txt``, field ``text`` of a ``.jsonl`` or ``.csv``, lines of ``-``.

    Raises:
        InputError: If the file is of another kind or malformed, or a text is blank: the message has the line.
        OSError: If it cannot be opened.
    """
    return (text for _, text in read_numbered_texts(file))


def read_numbered_texts(file: str | Path) -> Iterator[tuple[int, str]]:
    """Read texts as :func:`read_texts` does, each with the line that it begins in, from 1.

    Raises:
        InputError: If the file is of another kind or malformed, or a text is blank: the message has the line.
        OSError: If it cannot be opened.
    """
    if str(file) == STANDARD_INPUT:
        yield from _texts(
            "standard input", enumerate(read_lines(sys.stdin.buffer, "standard input"), start=1)
        )
        return
    path = Path(file)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise InputError(f"{path}: cannot read files of this kind; known: {known}, and - for lines")
    if suffix == ".txt":
        with path.open("rb") as stream:
            yield from _texts(path, enumerate(read_lines(stream, path), start=1))
    else:
        yield from _texts(path, ((record.line, record.text) for record in read_records(path)))


def _texts(name: str | Path, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, text in lines:
        if not text.strip():
            raise InputError(f"{name}, line {number}: blank, so there is nothing to encode")
        yield number, text.removesuffix("\n")
