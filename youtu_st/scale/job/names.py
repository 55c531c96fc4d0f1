"""Names of what a job's folder holds."""

from __future__ import annotations

import re

JOB = "job.json"
VECTORS = "vectors"
DAMAGED = "damaged"
REJECTED = "rejected.jsonl"
JOB_CLAIM = ".job.json.claim"

_NUMBER = r"\d{5}|[1-9]\d{5,8}"  # each number in one way
_PART = re.compile(rf"part-({_NUMBER})\.parquet", re.ASCII)
_CLAIM = re.compile(rf"\.part-({_NUMBER})\.claim", re.ASCII)
_TEMPORARY = re.compile(
    rf"\.(?:part-(?:{_NUMBER})|job\.json)\.claim"
    rf"|\.(?:part-(?:{_NUMBER})\.parquet|job\.json|rejected\.jsonl)\.[0-9a-f]{{16}}",
    re.ASCII,
)


def part(number: int) -> str:
    """The file of a shard."""
    return f"part-{number:05d}.parquet"


def claim(number: int) -> str:
    """The file that whoever encodes a shard has locked meanwhile."""
    return f".part-{number:05d}.claim"


def part_number(name: str) -> int | None:
    """The shard of a file; None: it is none of :func:`part`."""
    found = _PART.fullmatch(name)
    return int(found[1]) if found else None


def claim_number(name: str) -> int | None:
    """The shard of a claim; None: it is none of :func:`claim`."""
    found = _CLAIM.fullmatch(name)
    return int(found[1]) if found else None


def is_temporary(name: str) -> bool:
    """Whether a file is there only while somebody writes or encodes."""
    return _TEMPORARY.fullmatch(name) is not None


def is_ours(name: str) -> bool:
    """Whether a job's folder may hold something of that name on its top level."""
    return name in (JOB, VECTORS, DAMAGED, REJECTED) or is_temporary(name)
