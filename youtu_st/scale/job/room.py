"""Whether the disk has room for what is still to be written; asked before anything is."""

from __future__ import annotations

import errno
import os
import shutil
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from youtu_st.errors import InputError, printable, require
from youtu_st.scale.job.folder import JobFolder

if TYPE_CHECKING:
    import pyarrow as pa

BYTES_PER_TOKEN = 4
"""Of text, as tokens are estimated."""

_ID = 16
_TEXT, _NESTED = 32, 64
_PER_FILE = 4096
_SAMPLE = 16


class Room(NamedTuple):
    """What a job still needs of its disk.

    Attributes:
        needed: Bytes, estimated.
        free: Bytes that this user may still write.
    """

    needed: int
    free: int


def room(folder: JobFolder) -> Room:
    """What the shards that are not there will take, and what there is.

    The vectors' bytes are known. Of what is beside them shards that are there tell; before the first, ids are
    taken for 16 bytes, texts for half of their length, as zstd has them, and other kept columns for what
    their types have.

    Raises:
        InputError: As for :meth:`JobFolder.done`.
        OSError: If the disk cannot be asked.
    """
    left = folder.open_shards()
    rows = sum(shard.rows for shard in left)
    job = folder.job
    vector = job.dimension * (2 if job.task.dtype == "float16" else 4)
    beside = _measured(folder, vector)
    if beside is None:
        names = [field for field in job.schema if not (job.columns.keep_text and field.name == "text")]
        beside = rows * (_ID + sum(_width(field.type) for field in names))
        if job.columns.keep_text:
            beside += sum(shard.tokens for shard in left) * BYTES_PER_TOKEN // 2
    else:
        beside *= rows
    needed = int(rows * vector + beside) + len(left) * _PER_FILE
    place = next(path for path in (folder.path, *folder.path.absolute().parents) if path.exists())
    return Room(needed, shutil.disk_usage(place).free)


def check_room(folder: JobFolder) -> None:
    """Raise where the disk has not the room.

    Raises:
        InputError: With both figures.
    """
    needed, free = room(folder)
    if needed > free:
        raise InputError(
            f"{printable(str(folder.path))} needs about {size(needed)}, and its disk has {size(free)} free"
        )


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room: on a disk, in a quota, in what one process may write."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def size(count: int) -> str:
    """Bytes as people say them: ``12.3 GB``."""
    value, units = float(count), ["kB", "MB", "GB", "TB"]
    if value < 1000:
        return f"{count} bytes"
    while value >= 1000 and units:
        value /= 1000
        unit = units.pop(0)
    return f"{value:,.1f} {unit}"


def _measured(folder: JobFolder, vector: int) -> float | None:
    """Bytes of a row beside its vector, in a few of the shards that are there; None: none is."""
    there = list(islice(folder.parts(), _SAMPLE))
    sizes = [
        (os.stat(folder.shard_path(number)).st_size, folder.job.shards[number].rows)
        for number in there
        if number < len(folder.job.shards)
    ]
    rows = sum(rows for _, rows in sizes)
    return max(sum(size for size, _ in sizes) / rows - vector, 0.0) if rows else None


def _width(kind: pa.DataType) -> int:
    types = require("pyarrow", "scale").types
    if types.is_nested(kind):
        return _NESTED
    return kind.bit_width // 8 + 1 if types.is_primitive(kind) else _TEXT
