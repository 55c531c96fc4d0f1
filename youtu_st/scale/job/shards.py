"""A shard's file: ids, vectors and what is kept beside them, written whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from youtu_st import disk
from youtu_st.errors import InputError, counted, in_one_line, printable, require
from youtu_st.protocol import Vectors
from youtu_st.scale.input.types import Rejected, Shard
from youtu_st.scale.job import claims, facts
from youtu_st.scale.job.facts import DamagedPartError, ShardFacts
from youtu_st.scale.job.record import Job

if TYPE_CHECKING:
    import pyarrow as pa

ID, VECTOR = "id", "vector"

_ATTEMPTS = 3


def digest_of_ids(ids: pa.ChunkedArray | pa.Array) -> str:
    """32 hexadecimal digits over ids in their order.

    xxHash3 of 128 bits over the number of UTF-8 bytes of each id, as little-endian 64-bit ints, then all of
    their bytes: whatever the pieces that a column comes in, the same for the same ids and for no others.
    """
    pc = require("pyarrow.compute", "scale")
    state = xxhash.xxh3_128()
    state.update(np.asarray(pc.binary_length(ids), dtype="<i8").tobytes())
    for text in ids.to_pylist():
        state.update(text.encode())
    return state.hexdigest()


class ShardWriter:
    """Writes the shards of one job; all of them have one schema.

    ``id`` is a string, ``vector`` a list of fixed size, and then there are the kept columns. Vectors are not
    compressed: it hardly makes them smaller, and takes twice as long. The other columns are, with zstd.

    With ``dtype="float16"`` each number becomes the nearest half float, of two equally near ones the even:
    off by at most 2^-11 of itself from 2^-14 (0.00006) on, by at most 2^-25 below. Vectors are not scaled
    again after that, so a norm is off by at most 2^-11, too.

    Args:
        job: The job.
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    @cached_property
    def schema(self) -> pa.Schema:
        """Of every shard's file."""
        pa = require("pyarrow", "scale")
        number = pa.float16() if self.job.task.dtype == "float16" else pa.float32()
        vector = pa.list_(pa.field("element", number), self.job.dimension)
        return pa.schema([(ID, pa.string()), (VECTOR, vector), *self.job.schema])

    @cached_property
    def _options(self) -> dict[str, Any]:
        """How each column is written, by its path in Parquet, which has one for each leaf."""
        pa, pq = require("pyarrow", "scale"), require("pyarrow.parquet", "scale")
        empty = pa.BufferOutputStream()
        pq.write_table(self.schema.empty_table(), empty)
        leaves = pq.read_metadata(pa.BufferReader(empty.getvalue())).schema
        paths = [leaves.column(index).path for index in range(len(leaves))]
        kept = [path for path in paths if path.split(".")[0] not in (ID, VECTOR)]
        return {
            "compression": {path: "NONE" if path.split(".")[0] == VECTOR else "ZSTD" for path in paths},
            "use_dictionary": kept,
            "write_statistics": [ID, *kept],
            "write_page_checksum": True,
        }

    def write(
        self,
        path: Path,
        shard: Shard,
        *,
        ids: Sequence[str],
        vectors: Vectors,
        kept: pa.Table | None = None,
        rejected: Sequence[Rejected] = (),
        tokens: int = 0,
        cut: int = 0,
        seconds: float = 0.0,
    ) -> ShardFacts:
        """Write a shard; one that is there is replaced.

        Args:
            path: Its file.
            shard: What was planned.
            ids: Of the rows with a vector, ``n``.
            vectors: Shape ``(n, dimension)``, float32.
            kept: Their kept columns, of the job's schema; None: there are none.
            rejected: The shard's other rows.
            tokens: Tokens that went through the network.
            cut: Texts that were cut.
            seconds: From the first row to the last.

        Returns:
            What the file says of itself.

        Raises:
            InputError: If it has not the rows that were planned, or an id is not valid Unicode.
            ValueError: If vectors or kept columns are not such as the job's.
            OSError: If it cannot be written.
        """
        table = self._table(shard, ids, vectors, kept, rejected)
        found = ShardFacts(
            shard=shard.number,
            rows=len(ids),
            tokens=tokens,
            cut=cut,
            rejected=tuple(rejected),
            seconds=round(seconds, 6),
            fingerprint=self.job.encoder.fingerprint,
            job=self.job.key,
            digest=digest_of_ids(table[ID]),
        )
        for attempt in range(_ATTEMPTS):
            try:
                self._publish(path, table, found)
                break
            except FileNotFoundError:
                # Locks that hold on one node only: another took this one's file for a dead one's.
                if attempt + 1 == _ATTEMPTS or not path.parent.is_dir():
                    raise
        return found

    def _publish(self, path: Path, table: pa.Table, found: ShardFacts) -> None:
        pq = require("pyarrow.parquet", "scale")
        placeholder = secrets.token_hex(facts.SEAL_LENGTH // 2)
        with claims.temporary(path) as temporary:
            with (
                open(temporary.path, "r+b") as file,
                pq.ParquetWriter(file, self.schema, **self._options) as writer,
            ):
                writer.write_table(table, row_group_size=max(len(table), 1))
                writer.add_key_value_metadata({facts.FACTS: found.to_text(), facts.SEAL: placeholder})
            facts.seal(temporary.path, placeholder)
            disk.replace(temporary.path, path)

    def _table(
        self,
        shard: Shard,
        ids: Sequence[str],
        vectors: Vectors,
        kept: pa.Table | None,
        rejected: Sequence[Rejected],
    ) -> pa.Table:
        pa = require("pyarrow", "scale")
        if len(ids) + len(rejected) != shard.rows:
            file = printable(self.job.files[shard.file].name)
            raise InputError(
                f"{file} has changed while it was read: of {counted(shard.rows, 'row')} from row "
                f"{shard.first + 1:,} on that were planned, {len(ids) + len(rejected):,} are there"
            )
        if vectors.shape != (len(ids), self.job.dimension) or vectors.dtype != np.float32:
            raise ValueError(
                f"vectors are float32 of shape {(len(ids), self.job.dimension)}, "
                f"not {vectors.dtype} of {vectors.shape}"
            )
        numbers = np.ascontiguousarray(vectors).reshape(-1)
        if self.job.task.dtype == "float16":
            numbers = numbers.astype(np.float16)
        kept = self.job.schema.empty_table() if kept is None else kept
        try:
            columns = [pa.array(ids, pa.string())]
        except UnicodeEncodeError as error:
            raise InputError(in_one_line("an id is not valid Unicode", error)) from error
        columns.append(
            pa.FixedSizeListArray.from_arrays(pa.array(numbers), type=self.schema.field(VECTOR).type)
        )
        if not kept.schema.equals(self.job.schema) or (len(kept) != len(ids) and len(self.job.schema)):
            raise ValueError(f"kept columns are {kept.schema} of {len(kept)} rows")
        return pa.table([*columns, *kept.columns], schema=self.schema)

    def checked(self, path: Path, shard: Shard, *, deep: bool = False) -> ShardFacts:
        """What a shard's file says of itself, if it is whole and this job's.

        Args:
            path: The file.
            shard: What was planned.
            deep: Read all of it; else the footer only.

        Raises:
            DamagedPartError: If it is not.
            OSError: If there is none, or it cannot be read.
        """
        footer = facts.read_footer(path)
        if wrong := self._other(footer, shard):
            raise DamagedPartError(wrong)
        if deep:
            facts.check_body(path, footer)
            self._check_ids(path, footer.facts)
        return footer.facts

    def _other(self, footer: facts.Footer, shard: Shard) -> str | None:
        """How a sound file is not the one of that shard of this job."""
        found = footer.facts
        for what, there, wanted in (
            ("shard", found.shard, shard.number),
            ("fingerprint", found.fingerprint, self.job.encoder.fingerprint),
            ("job's key", found.job, self.job.key),
            ("number of rows", footer.rows, found.rows),
            ("number of rows, good and bad,", found.rows + len(found.rejected), shard.rows),
        ):
            if there != wanted:
                return f"its {what} is {printable(str(there))}, not {wanted}"
        if not footer.schema.equals(self.schema.remove_metadata(), check_metadata=False):
            return "its columns are not the job's"
        return None

    def _check_ids(self, path: Path, found: ShardFacts) -> None:
        pa, pq = require("pyarrow", "scale"), require("pyarrow.parquet", "scale")
        try:
            ids = pq.read_table(path, columns=[ID], page_checksum_verification=True)[ID]
        except (pa.ArrowException, OSError) as error:
            raise DamagedPartError("its ids cannot be read") from error
        if ids.null_count or digest_of_ids(ids) != found.digest:
            raise DamagedPartError("its ids are not those that were written")
