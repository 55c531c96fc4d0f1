"""What a shard's file says of itself, and whether it is what was written; all from its last few kilobytes.

Two keys of the Parquet file's own metadata: ``youtu-st`` holds the facts and ``youtu-st.seal`` two checksums,
put in when the file was complete. One is over all bytes before the footer, one over the footer itself and the
length of what stands before it. A reader of Parquet need not know of either.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from youtu_st.disk import checksum, file_checksum, open_plain
from youtu_st.errors import InputError, require
from youtu_st.scale.input.types import Rejected

if TYPE_CHECKING:
    import pyarrow as pa

FACTS = "youtu-st"
SEAL = "youtu-st.seal"
SEAL_LENGTH = 32

_MAGIC = b"PAR1"
_END = 4 + len(_MAGIC)  # the footer's length, and the magic number
_TAIL = 1 << 16
_MOST_FOOTER = 1 << 28
_ZEROS = b"0" * SEAL_LENGTH
_SEALED = re.compile(rb"youtu-st\.seal\x18\x20([0-9a-f]{32})")
"""The key and its value as Thrift's compact protocol has them: a second field, of bytes, 32 of them."""


class DamagedPartError(InputError):
    """A shard's file is not what was written: the message says in which way."""


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What is known of a shard that is there.

    Attributes:
        shard: Its number.
        rows: Rows with a vector.
        tokens: Tokens that went through the network, as far as the encoder counts them.
        cut: Texts that were cut.
        rejected: Rows without a vector.
        seconds: From its first row to its last.
        fingerprint: The encoder's.
        job: The key of the job, see :attr:`Job.key`.
        digest: Of the ids in their order, see :func:`youtu_st.scale.job.shards.digest_of_ids`.
    """

    shard: int
    rows: int
    tokens: int
    cut: int
    rejected: tuple[Rejected, ...]
    seconds: float
    fingerprint: str
    job: str
    digest: str

    def to_text(self) -> str:
        """JSON of them."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def parse(cls, text: bytes) -> ShardFacts:
        """The facts in what :meth:`to_text` gave.

        Raises:
            DamagedPartError: If it is anything else.
        """
        try:
            values = json.loads(text)
            values["rejected"] = tuple(Rejected(*row) for row in values["rejected"])
            facts = cls(**values)
            if not all(isinstance(getattr(facts, name), kind) for name, kind in _KINDS.items()):
                raise TypeError("a value of another type")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedPartError("its metadata are not a shard's") from error
        return facts


_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("shard", "rows", "tokens", "cut"), int),
    **dict.fromkeys(("fingerprint", "job", "digest"), str),
    "seconds": (int, float),
}


@dataclass(frozen=True, slots=True)
class Footer:
    """The end of a shard's file.

    Attributes:
        facts: What it says of itself.
        rows: Rows of the Parquet file.
        schema: Of the Parquet file, without metadata.
        body: Bytes before the footer.
        checksum: Of these, as it was written; 64 bits, without a sign.
    """

    facts: ShardFacts
    rows: int
    schema: pa.Schema
    body: int
    checksum: int


def read_footer(path: Path) -> Footer:
    """The footer of a shard's file, compared with its checksum.

    Raises:
        DamagedPartError: If it is not what was written.
        FileNotFoundError: If there is none.
        OSError: If it cannot be read.
    """
    pa, pq = require("pyarrow", "scale"), require("pyarrow.parquet", "scale")
    with open_plain(path) as file:
        size, tail = _tail(file)
    body = size - len(tail)
    whole = _checked(tail, body)
    try:
        metadata = pq.read_metadata(pa.BufferReader(tail))
        facts = (metadata.metadata or {})[FACTS.encode()]
        schema = metadata.schema.to_arrow_schema().remove_metadata()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DamagedPartError("its footer is altered") from error
    return Footer(ShardFacts.parse(facts), metadata.num_rows, schema, body, whole)


def check_body(path: Path, footer: Footer) -> None:
    """Compare all bytes before the footer with their checksum.

    Raises:
        DamagedPartError: If they are not what was written.
        OSError: If it cannot be read.
    """
    with open_plain(path) as file:
        if _unsigned(file_checksum(file, footer.body)) != footer.checksum:
            raise DamagedPartError("its pages are altered")


def seal(path: Path, placeholder: str) -> None:
    """Put the checksums in the place of a placeholder, in a file that is complete but for them.

    Args:
        path: The file.
        placeholder: So many characters as :data:`SEAL_LENGTH`, which stand nowhere else in its footer.

    Raises:
        DamagedPartError: If it is no Parquet file with that placeholder.
        OSError: If it cannot be written.
    """
    mark = placeholder.encode()
    with open(path, "r+b") as file:
        size, tail = _tail(file)
        if tail.count(mark) != 1:
            raise DamagedPartError("its footer has no place for the checksums")
        body = size - len(tail)
        file.seek(0)
        whole = _unsigned(file_checksum(file, body))
        own = _of_footer(tail.replace(mark, _ZEROS), body)
        file.seek(body + tail.index(mark))
        file.write(f"{whole:016x}{own:016x}".encode())


def _tail(file: BinaryIO) -> tuple[int, bytes]:
    """The size of a Parquet file, and all of it from the footer on."""
    size = os.fstat(file.fileno()).st_size
    file.seek(max(size - _TAIL, 0))
    tail = file.read(_TAIL)
    if len(tail) < _END + len(_MAGIC) or tail[-len(_MAGIC) :] != _MAGIC:
        raise DamagedPartError("it is cut short")
    length = int.from_bytes(tail[-_END : -len(_MAGIC)], "little") + _END
    if not _END < length <= min(size - len(_MAGIC), _MOST_FOOTER):
        raise DamagedPartError("its footer is altered")
    if length > len(tail):
        file.seek(size - length)
        tail = file.read(length)
    return size, tail[-length:]


def _checked(tail: bytes, body: int) -> int:
    """The checksum of the body, from a footer that is what was written; before anything in it is parsed."""
    found = list(_SEALED.finditer(tail))  # the last: metadata come after all else that a user may have named
    if not found:
        raise DamagedPartError("its footer is altered")
    seal, at = found[-1][1], found[-1].start(1)
    whole, own = (int(seal[i : i + 16], 16) for i in (0, 16))
    if own != _of_footer(tail[:at] + _ZEROS + tail[at + SEAL_LENGTH :], body):
        raise DamagedPartError("its footer is altered")
    return whole


def _of_footer(footer: bytes, body: int) -> int:
    return _unsigned(checksum(footer + str(body).encode()))


def _unsigned(value: int) -> int:
    return value & (1 << 64) - 1
