"""A checksum over ids, whatever their order."""

from __future__ import annotations

from collections.abc import Iterable

from youtu_st import disk

_WORD = (1 << 64) - 1


def digest_of(ids: Iterable[str], before: int = 0) -> int:
    """The sum of the ids' checksums, as a signed int of 64 bits.

    Args:
        ids: Some ids.
        before: The digest of others.
    """
    total = (before + sum(disk.checksums(id.encode() for id in ids))) & _WORD
    return total if total < 1 << 63 else total - (1 << 64)
