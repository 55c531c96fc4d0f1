"""Names of what a job's folder holds."""

from __future__ import annotations

import re

JOB = "job.json"
VECTORS = "vectors"
DAMAGED = "damaged"
REJECTED = "rejected.jsonl"

_PART = re.compile(r"part-(\d{5,9})\.parquet")
_CLAIM = re.compile(r"\.part-(\d{5,9})\.claim")
_TEMPORARY = re.compile(
    r"\.(?:part-\d{5,9}\.parquet|job\.json|rejected\.jsonl)\.[0-9a-f]{16}|\.part-\d{5,9}\.claim|\.job\.json\.claim"
)


def part(number: int) -> str:
    """The file of a shard."""
    return f"part-{number:05d}.parquet"


def claim(number: int) -> str:
    """The file that whoever encodes a shard has locked meanwhile."""
    return f".part-{number:05d}.claim"


def part_number(name: str) -> int | None:
    """The shard of a file; None: it is none of :func:`part`."""
    return _number(_PART.fullmatch(name), part, name)


def claim_number(name: str) -> int | None:
    """The shard of a claim; None: it is none of :func:`claim`."""
    return _number(_CLAIM.fullmatch(name), claim, name)


def is_temporary(name: str) -> bool:
    """Whether a file is there only while somebody writes or encodes."""
    return _TEMPORARY.fullmatch(name) is not None


def is_ours(name: str) -> bool:
    """Whether a job's folder may hold something of that name, on its top level."""
    return name in (JOB, VECTORS, DAMAGED, REJECTED) or is_temporary(name)


def _number(found: re.Match[str] | None, write: object, name: str) -> int | None:
    number = int(found[1]) if found else None
    # One name for each number: part-000012.parquet is not another part-00012.parquet.
    return number if number is not None and callable(write) and write(number) == name else None
