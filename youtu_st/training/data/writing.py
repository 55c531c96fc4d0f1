"""Rows to a file that is there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from youtu_st.disk import whole
from youtu_st.errors import InputError
from youtu_st.training.data.rows import LONGEST, Row, RowError, dump, read_rows
from youtu_st.training.storing import storing


@contextmanager
def writer(out: Path, *, force: bool) -> Iterator[Callable[[Row], None]]:
    """Gives what writes a row; after an error, nothing is written.

    Args:
        out: The file.
        force: Write over one that is there.

    Raises:
        InputError: If it is there, and is to stay.
        TrainingError: If the disk takes no more.
        OSError: If it cannot be written for another reason.
    """
    if out.exists() and not force:
        raise InputError(f"{out} is there already: --force writes over it")
    remedy = "make room, or name a file on another disk: nothing was written"
    with whole(out) as written:
        file = written.open("wb")

        def write(row: Row) -> None:
            line = dump([row]).encode()
            if len(line) > LONGEST:
                raise InputError(
                    f"{out}: a row would take more than the {LONGEST >> 20} MiB that a line may have"
                )
            with storing("rows", out, remedy):
                file.write(line)

        try:
            yield write
        finally:
            with storing("rows", out, remedy):
                file.close()


def well_formed(source: Path) -> Iterator[tuple[int, Row]]:
    """Each row of a file with its line, from 1.

    Raises:
        InputError: If the file cannot be read.
        RowError: If a row is malformed: the first of them.
    """
    for line, row in read_rows(source):
        if isinstance(row, RowError):
            raise RowError(f"{row} ('youtu-st data check {source}' tells of all that are malformed)")
        yield line, row
