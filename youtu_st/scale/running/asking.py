"""Whether what is asked for is what a job was begun with, as far as can be said without its encoder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from youtu_st.corpus.notes import Notes
from youtu_st.corpus.sources import find_files
from youtu_st.errors import InputError, counted, printable
from youtu_st.scale.input.columns import check_columns
from youtu_st.scale.input.files import KINDS, Changed, compare_inputs, find_inputs, looked_at_again
from youtu_st.scale.job.comparing import compare, may_be_the_same, refuse
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.settings import Columns, Cutting, Making, Task

_MOST_NAMES = 3


class _Silent(Notes):
    """Raises the first problem; what else is to be known was told when the job was planned."""

    def note(self, message: str) -> None:
        """Nothing."""


def check_input(paths: Sequence[str], columns: Columns, folder: Path) -> None:
    """Raise for what can be said to be wrong before an encoder is loaded.

    Raises:
        InputError: If a path is none, there is no file to read, or columns contradict each other.
    """
    check_columns(columns)
    if not find_files(paths, _Silent(), suffixes=tuple(KINDS), without=folder, ignore=False).files:
        named = ", ".join(map(printable, paths))
        raise InputError(f"no files to read in {named}: there is none of {' '.join(KINDS)}")


def check_place(folder: Path) -> None:
    """Raise where it can be seen that a new folder cannot be written to; the rest is seen when it is.

    Raises:
        InputError: Naming what may not be written to.
    """
    there = next(one for one in (folder, *folder.absolute().parents) if os.path.exists(one))
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(
            f"{printable(str(folder))} cannot be written to: {printable(str(there))} is read-only, or not "
            "yours to write to"
        )


def is_settled(
    folder: JobFolder,
    paths: Sequence[str],
    making: Making,
    task: Task,
    columns: Columns,
    cutting: Cutting,
    *,
    extend: bool,
) -> bool:
    """Whether the job is the one that is asked for, and planned to its end.

    Returns:
        False: its encoder has to be made to know, or new files to be planned.

    Raises:
        InputError: If it is another one: a table of what differs; or which files do.
    """
    job = folder.job
    found = compare(job, making=making, task=task, columns=columns, cutting=cutting)
    if not may_be_the_same(found):
        refuse(folder.path, found)
    changed = compare_inputs(job.files, find_inputs(paths, _Silent(), without=folder.path))
    _check(folder, changed, extend=extend)
    return not found and not changed.new


def check_files(folder: JobFolder) -> None:
    """Raise where a file of a job's input is not what it was, or one that is still to be read is gone.

    Raises:
        InputError: Naming them.
    """
    _check(folder, compare_inputs(folder.job.files, looked_at_again(folder.job.files)), extend=True)


def _check(folder: JobFolder, changed: Changed, *, extend: bool) -> None:
    """Raise where files differ from what they were; with ``extend``, new ones and those that are done may."""
    left = {shard.file for shard in folder.open_shards()} if changed.vanished else set()
    unread = {file.name for i, file in enumerate(folder.job.files) if i in left}
    gone = [file.name for file in changed.vanished if file.name in unread or not extend]
    new = [] if extend else [file.name for file in changed.new]
    told = [
        _told([file.name for file in changed.changed], "changed"),
        _told(gone, "vanished"),
        _told(new, "came anew"),
    ]
    if not any(told):
        return
    ways = []
    if changed.changed or gone:
        ways.append("put back what was there, or name a new folder")
    if new:
        ways.append("--extend plans the new files and leaves the rest")
    raise InputError(
        f"{printable(str(folder.path))} was begun with another input: {', '.join(filter(None, told))}; "
        f"{'; '.join(ways)}"
    )


def _told(names: Sequence[str], what: str) -> str:
    if not names:
        return ""
    shown = ", ".join(map(printable, names[:_MOST_NAMES]))
    more = len(names) - _MOST_NAMES
    further = f" and {counted(more, 'file')} more" if more > 0 else ""
    return f"{shown}{further} {what}"
