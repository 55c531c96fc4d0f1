"""What the commands that read files share: their options, and what they say of the files."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import UsageError, count, say

if TYPE_CHECKING:
    from youtu_st.corpus import Gathered, Reading

Encoding = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Of all files; default: UTF-8, or what a file plainly is."),
]
TextField = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Of a table, what holds the text; default: text, or else content."),
]

MOST_NOTES = 20
_MOST_NAMES = 5
_MOST_LINKS = 40
_DEVICES = ("/dev/", "/proc/")


def gathering(encoding: str | None = None, text_field: str | None = None) -> tuple[Reading, Gathered]:
    """How to read files, and what takes all that is met on the way.

    Raises:
        UsageError: If there is no such encoding.
    """
    from youtu_st.corpus import Gathered, Reading
    from youtu_st.corpus.reading.decoding import check_encoding
    from youtu_st.errors import InputError

    if encoding is not None:
        try:
            check_encoding("--encoding", encoding)
        except InputError as error:
            raise UsageError(str(error)) from error
    notes = Gathered()
    return Reading(encoding, text_field, notes), notes


def tell(notes: Gathered, *, skip: bool | None = None) -> None:
    """Say what was met: what is left out, line by line, or all that must be mended first.

    Args:
        notes: What was met.
        skip: Go on without it. None: the command always needs all of it.

    Raises:
        UsageError: If there is a problem, and it must not be skipped.
    """
    for note in notes.notes[:MOST_NOTES]:
        say("note", note)
    if (more := len(notes.notes) - MOST_NOTES) > 0:
        say("note", f"and {more:,} more of these")
    problems = list(notes.lines())
    if not problems:
        return
    if not skip and len(problems) == 1:
        raise UsageError(problems[0] + ("" if skip is None else " (--skip-errors goes on without it)"))
    for problem in problems:
        say("left out" if skip else "problem", problem)
    if not skip:
        way = "mend them" if skip is None else "mend them, or go on without what is listed: --skip-errors"
        raise UsageError(f"{count(notes.count, 'problem')}, and nothing was done: {way}")


def some(names: Sequence[str], number: int) -> str:
    """The first of so many names, and how many more there are."""
    shown = ", ".join(names[:_MOST_NAMES])
    more = number - len(names[:_MOST_NAMES])
    return f"{shown} and {more:,} more" if more > 0 else shown


def check_out(out: Path, option: str = "--out") -> None:
    """Raise unless a file can be written there, without replacing what is none.

    Args:
        out: The file.
        option: What it was given by.

    Raises:
        UsageError: If it is a directory or a device, or its directory is not there. A link is followed.
    """
    place = out.absolute()
    for _ in range(_MOST_LINKS):
        # /dev/stdout is a link to whatever it is today: a file that the shell has open, which must stay.
        if str(place).startswith(_DEVICES):
            raise UsageError(f"{out} is a device: {option} is the file to write")
        if not place.is_symlink():
            break
        place = place.parent / os.readlink(place)
    else:
        raise UsageError(f"{out} is a link in a circle: {option} is the file to write")
    if not place.parent.is_dir():
        raise UsageError(f"{out}: there is no directory {place.parent}")
    if place.is_dir():
        raise UsageError(f"{out} is a directory: {option} is the file to write")
    if place.exists() and not stat.S_ISREG(place.stat().st_mode):
        raise UsageError(f"{out} is a device or a pipe: {option} is the file to write")


def check_folder(out: Path, what: str = "") -> None:
    """Raise where no folder can be made, or is.

    Args:
        out: What ``--out`` is.
        what: What is written there, for the message: ``" report.md to"``.

    Raises:
        UsageError: If it is something else.
    """
    if (out.exists() or out.is_symlink()) and not out.is_dir():
        raise UsageError(f"{out} is a file: --out is the folder to write{what}")
