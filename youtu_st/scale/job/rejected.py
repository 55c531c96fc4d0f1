"""Rows without a vector, a line of JSON each: ``rejected.jsonl``."""

from __future__ import annotations

import json

from youtu_st import disk
from youtu_st.errors import InputError, in_one_line, printable
from youtu_st.scale.job import claims, names
from youtu_st.scale.job.facts import DamagedPartError
from youtu_st.scale.job.folder import JobFolder


def write_rejected(folder: JobFolder) -> int:
    """Write down all rejected rows of the shards that are there, in the input's order; if none is, no file.

    A line has ``file``, ``row``, ``id`` and ``reason``, in ASCII: it is valid JSON whatever an id holds.

    Returns:
        How many they are.

    Raises:
        InputError: If a shard cannot be read.
        OSError: If the file cannot be written.
    """
    path = folder.path / names.REJECTED
    with claims.temporary(path) as claim:
        count = 0
        with open(claim.path, "w", encoding="ascii") as file:
            for number in sorted(folder.done()):
                try:
                    found = folder.facts(number).rejected
                except (DamagedPartError, OSError) as error:
                    what = printable(str(folder.shard_path(number)))
                    raise InputError(in_one_line(f"{what} cannot be read", error)) from error
                file.writelines(f"{json.dumps(row._asdict())}\n" for row in found)
                count += len(found)
        if count:
            disk.replace(claim.path, path)  # a link by that name is replaced, and not written through
        else:
            path.unlink(missing_ok=True)
    return count
