"""A table of LanceDB as either end.

Its columns are ``id``, ``text``, ``metadata`` (JSON, which conditions such as
``json_get_string(metadata, 'lang') = 'zh'`` look into) and ``vector``; the record is in the
schema's own metadata.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from youtu_st.errors import InputError, StoreError, brief, in_one_line, require
from youtu_st.probes import EncoderRecord
from youtu_st.protocol import Vectors
from youtu_st.scale.copying.record import NAME, CopyRecord
from youtu_st.scale.copying.rows import Rows, rows_of_a_block
from youtu_st.scale.copying.stores import Recorded, unknown

LARGE = 1_000_000
"""Rows from which searches need an index: below, looking at all of them takes less than a second."""

COMMIT_BYTES = 64 << 20
"""Vectors that are committed together: each commit is a file, and a version of the table."""

_READ_AHEAD = 64 << 20  # bytes, of which Lance would take two thousand million
_LOOKED_AT, _REFINED = 200, 5
"""Rows of the graph that a search looks at, and how many times as many as are asked for it scores exactly."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


class LanceTable(Recorded):
    """One table of a LanceDB database, which is a folder.

    Args:
        path: The folder.
        table: The table's name.
        large: Rows from which it is indexed.
    """

    def __init__(self, path: str, table: str, *, large: int = LARGE) -> None:
        self._name, self._path, self._large = table, path, large
        self._lancedb: Any = require("lancedb", "lancedb")
        require("lance", "lancedb")
        self._lock: FileLock | None = None
        self._table: Any = None
        self._waiting: list[Any] = []
        self._waiting_bytes = 0
        self._before: Any = None
        super().__init__(f"lancedb:{path}#{table}", None, "table")
        if not _NAME.fullmatch(table):
            raise InputError(
                f"a table of LanceDB is named with at most 200 letters, digits and '_-.', not {brief(table)}"
            )
        if _is_made(Path(path, f"{table}.lance")):
            self._open()

    def _open(self) -> None:
        with self._told("cannot be opened"):
            self._table = self._lancedb.connect(self._path).open_table(self._name)
            schema = self._table.to_lance().schema
        text = (schema.metadata or {}).get(NAME.encode())
        if text is None:
            raise unknown(self.name)
        self.record = CopyRecord.of(text.decode(errors="replace"), self.name)
        self._check_schema(schema)

    def _check_schema(self, schema: Any) -> None:
        """Columns that somebody added are no harm; ours must be what they were."""
        ours = _schema(self._known.encoder.dimension)
        for field in ours:
            found = schema.field(field.name).type if field.name in schema.names else None
            if found != field.type:
                raise StoreError(
                    f"column {field.name!r} of {self.name} must be of type {field.type}, and is "
                    f"{'not there' if found is None else f'of type {found}'}"
                )

    def close(self) -> None:
        """Let another process write."""
        self._table = self._before = None
        self._waiting = []
        if self._lock is not None:
            self._lock.release(force=True)

    def count(self) -> int:
        """Rows of the table."""
        with self._told("cannot be read"):
            return int(self._table.count_rows())

    def rows_of(self, ids: list[str]) -> Rows:
        """The rows of some ids, in their order."""
        found: list[Rows] = []
        with self._told("cannot be read"):
            dataset = self._table.to_lance()
            for first in range(0, len(ids), 1000):
                table = dataset.to_table(columns=_COLUMNS, filter=_among(ids[first : first + 1000]))
                found += [_rows(batch, self.encoder.dimension) for batch in table.to_batches()]
        return _joined(found, self.encoder.dimension).in_order(ids)

    # -- as a source -------------------------------------------------------------------------------------

    def survey(self, columns: Collection[str]) -> Iterator[Rows]:
        """All rows without their vectors."""
        return self._read(["id", *columns])

    def blocks(self) -> Iterator[Rows]:
        """All rows in the order of the table's files."""
        return self._read(_COLUMNS)

    def _read(self, columns: list[str]) -> Iterator[Rows]:
        dimension = self.encoder.dimension
        with self._told("cannot be read"):
            dataset = self._table.to_lance()  # of the version that was opened, whatever is written meanwhile
            for batch in dataset.to_batches(
                columns=columns,
                batch_size=rows_of_a_block(dimension),
                batch_readahead=2,
                fragment_readahead=1,
                io_buffer_size=_READ_AHEAD,
                scan_in_order=True,
            ):
                yield _rows(batch, dimension)

    # -- as a destination --------------------------------------------------------------------------------

    bounded = ()

    def admit(self, encoder: EncoderRecord) -> None:
        """Tables hold vectors of any length; one copy at a time writes.

        Raises:
            StoreError: If another one does, or the folder cannot be made.
        """
        folder = Path(self._path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / f".{self._name}.youtu-st.lock", timeout=0, thread_local=False)
            self._lock.acquire()
        except Timeout as error:
            raise StoreError(f"another copy into {self.name} is under way") from error
        except OSError as error:
            raise StoreError(in_one_line(f"{self.name} cannot be made", error)) from error

    def fault(self, rows: Rows) -> tuple[int, str] | None:
        """None: a table holds whatever JSON holds."""
        return None

    def create(self, record: CopyRecord) -> None:
        """Make the table; whoever makes it at the same time is told."""
        schema = _schema(record.encoder.dimension).with_metadata({NAME: record.text()})
        with self._told("cannot be made"):
            self._table = self._lancedb.connect(self._path).create_table(self._name, schema=schema)
        self.record = record

    def reopen(self, record: CopyRecord) -> None:
        """Index the ids that are there: each block is then looked up in no time."""
        with self._told("cannot be indexed"):
            if self.count():
                self._index_ids()
            self._before = self._table.to_lance()

    def present(self, ids: list[str]) -> set[str]:
        """Which of the ids were there when the copy went on; what is written since is not asked for."""
        found: set[str] = set()
        with self._told("cannot be read"):
            for first in range(0, len(ids), 1000):
                part = self._before.to_table(columns=["id"], filter=_among(ids[first : first + 1000]))
                found.update(part["id"].to_pylist())
        return found

    def write(self, rows: Rows) -> None:
        """Add rows; they are committed with those that follow, some ten thousand together."""
        self._waiting.append(_batch(rows))
        self._waiting_bytes += rows.vectors.nbytes
        if self._waiting_bytes >= COMMIT_BYTES:
            self._commit()

    def _commit(self) -> None:
        import pyarrow

        batches, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if batches:
            with self._told("cannot be written"):
                self._table.add(pyarrow.Table.from_batches(batches))

    def finish(self, record: CopyRecord) -> None:
        """Commit what waits, index a large table, and write the record."""
        self._commit()
        with self._told("cannot be indexed"):
            if self.count() >= self._large:
                self._index_ids()
                self._index_vectors(record.encoder.dimension)
            self._table.to_lance().update_schema_metadata({NAME: record.text()})
            self._table = self._lancedb.connect(self._path).open_table(self._name)
        self.record = record

    def _indexed(self) -> set[str]:
        return {column for index in self._table.list_indices() for column in index.columns}

    def _index_ids(self) -> None:
        from lancedb.index import BTree

        if "id" in self._indexed():
            self._table.optimize()
        else:
            self._table.create_index("id", config=BTree())

    def _index_vectors(self, dimension: int) -> None:
        from lancedb.index import HnswSq

        if "vector" not in self._indexed():
            self._table.create_index("vector", config=HnswSq(distance_type="dot"))

    def search(self, queries: Vectors, k: int) -> list[list[str]]:
        """The ids of the nearest rows; an index is asked to look as closely as is advised for it."""
        if not len(queries):
            return []
        found: list[list[str]] = [[] for _ in queries]
        with self._told("cannot be searched"):
            # One vector alone makes no column of numbers.
            asked = self._table.search([*queries, queries[0]], vector_column_name="vector")
            if "vector" in self._indexed():
                asked = asked.ef(_LOOKED_AT).refine_factor(_REFINED)
            hits = asked.distance_type("dot").select(["id", "_distance"]).limit(k).to_arrow()
            hits = hits.sort_by([("query_index", "ascending"), ("_distance", "ascending")])
            for place, id in zip(hits["query_index"].to_pylist(), hits["id"].to_pylist(), strict=True):
                if place < len(found):
                    found[place].append(id)
        return found

    @contextmanager
    def _told(self, how: str) -> Iterator[None]:
        """Turn the library's errors into one line; it has classes of its own for none."""
        try:
            yield
        except (RuntimeError, ValueError, OSError, TypeError, KeyError) as error:
            if isinstance(error, InputError | StoreError):
                raise
            raise StoreError(in_one_line(f"{self.name} {how}", error)) from error


_COLUMNS = ["id", "text", "metadata", "vector"]


def _is_made(folder: Path) -> bool:
    """Whether there is a table, or anything else: not only what is left where making one was ended."""
    if not folder.is_dir():
        return False
    names = set(os.listdir(folder))
    versions = folder / "_versions"
    is_begun = names <= {"_versions", "_transactions"} and not (versions.is_dir() and any(versions.iterdir()))
    return not is_begun


def _schema(dimension: int) -> Any:
    pyarrow: Any = require("pyarrow", "lancedb")
    return pyarrow.schema(
        [
            pyarrow.field("id", pyarrow.string(), nullable=False),
            pyarrow.field("text", pyarrow.string()),
            pyarrow.field("metadata", pyarrow.json_(), nullable=False),
            pyarrow.field("vector", pyarrow.list_(pyarrow.float32(), dimension), nullable=False),
        ]
    )


def _batch(rows: Rows) -> Any:
    import pyarrow

    schema = _schema(rows.vectors.shape[1])
    flat = pyarrow.array(np.ascontiguousarray(rows.vectors).reshape(-1))
    return pyarrow.record_batch(
        [
            pyarrow.array(rows.ids, pyarrow.string()),
            pyarrow.array(rows.texts, pyarrow.string()),
            pyarrow.array(rows.metadata, pyarrow.json_()),
            pyarrow.FixedSizeListArray.from_arrays(flat, type=schema.field("vector").type),
        ],
        schema=schema,
    )


def _rows(batch: Any, dimension: int) -> Rows:
    names = batch.schema.names

    def column(name: str, otherwise: str | None) -> list[Any]:
        return batch.column(names.index(name)).to_pylist() if name in names else [otherwise] * len(batch)

    vectors: Any = np.empty((0, dimension), dtype=np.float32)
    if "vector" in names:
        held = batch.column(names.index("vector"))
        # flatten leaves nulls out: a row without a vector would shift those that follow.
        if held.null_count:
            raise StoreError(f"{held.null_count} of {len(held)} rows of the table have no vector")
        vectors = held.flatten().to_numpy(zero_copy_only=False).reshape(-1, dimension)
    return Rows(column("id", None), column("text", None), column("metadata", "{}"), vectors)


def _joined(parts: list[Rows], dimension: int) -> Rows:
    empty = np.empty((0, dimension), dtype=np.float32)
    return Rows(
        [id for part in parts for id in part.ids],
        [text for part in parts for text in part.texts],
        [values for part in parts for values in part.metadata],
        np.concatenate([empty, *(part.vectors for part in parts)]),
    )


def _among(ids: list[str]) -> str:
    """A condition of SQL: quotes are doubled, and nothing else means anything in a text of it."""
    quoted = ",".join("'" + id.replace("'", "''") + "'" for id in ids)
    return f"id IN ({quoted})"
