"""A collection of Milvus as either end: a server's, or of Milvus Lite in a file.

Its fields are ``key`` (a UUID made of the id, and the primary key), ``id``, ``text``, ``metadata`` (JSON) and
``vector``; the record is a property of the collection. The client writes primary keys into conditions as
they are, which an id with a quote would break: that is what the key is for.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.engines.redaction import Redactor
from youtu_st.errors import InputError, StoreError, brief, require
from youtu_st.probes import EncoderRecord
from youtu_st.protocol import Vectors
from youtu_st.scale.copying.keys import check_address, key_of
from youtu_st.scale.copying.record import NAME, CopyRecord
from youtu_st.scale.copying.rows import Rows, jsons_of, values_of
from youtu_st.scale.copying.stores import Recorded, too_long, unknown

KEY_VARIABLE = "MILVUS_TOKEN"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_LONGEST = 65_535  # bytes of a VARCHAR
_LONGEST_JSON = 65_536
_DIMENSIONS = range(2, 32_769)
_AT_ONCE = 1000  # rows of a request: far below the 64 MB that one may have, whatever their texts
_FIELDS = ["id", "text", "metadata", "vector"]


class MilvusCollection(Recorded):
    """One collection of Milvus.

    Args:
        address: A server's, or a file of Milvus Lite, whose name ends in ``.db``.
        collection: The collection's name.
    """

    def __init__(self, address: str, collection: str) -> None:
        self._name, self._address = collection, address
        self._is_server = "://" in address
        self._resumed = False
        super().__init__(f"milvus:{address}#{collection}", None, "collection")
        key = os.environ.get(KEY_VARIABLE) if self._is_server else None
        if self._is_server:
            check_address(address, key, KEY_VARIABLE)
        elif not address.endswith(".db"):
            raise InputError(f"a file of Milvus Lite has a name that ends in .db, not {address!r}")
        if not _NAME.fullmatch(collection):
            raise InputError(
                "a collection of Milvus is named with at most 255 letters, digits and '_', the first no "
                f"digit, not {brief(collection)}"
            )
        self._redact = Redactor([key])
        self._pymilvus: Any = require("pymilvus", "milvus")
        if not self._is_server:
            require("milvus_lite", "milvus")
        self._client: Any = None
        self._level = logging.getLogger("pymilvus").level
        # They write tracebacks, with rows in them, beside raising what is told here in one line.
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        try:
            if self._is_server or os.path.exists(address):
                self._connect(key)
                self._open()
        except BaseException:
            self.close()
            raise

    def _connect(self, key: str | None = None) -> None:
        with self._told("cannot be reached" if self._is_server else "cannot be opened"):
            self._client = self._pymilvus.MilvusClient(self._address, **({"token": key} if key else {}))

    def _open(self) -> None:
        with self._told("cannot be read"):
            if not self._client.has_collection(self._name):
                return
            about = self._client.describe_collection(self._name)
        text = about.get("properties", {}).get(NAME)
        if text is None:
            raise unknown(self.name)
        self.record = CopyRecord.of(text, self.name)
        if self.record.finished:
            with self._told("cannot be loaded"):
                self._client.load_collection(self._name)

    def close(self) -> None:
        """Close the connection; Milvus Lite, which runs in this process, ends with it."""
        if self._client is not None:
            with suppress(Exception):  # what was written is there, whatever closing says
                self._client.close()
            self._client = None
            if not self._is_server:
                manager: Any = require("milvus_lite.server_manager", "milvus")
                manager.server_manager_instance.release_server(self._address)
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger("pymilvus").setLevel(self._level)

    def count(self) -> int:
        """Rows of the collection, those included that were written a moment ago."""
        with self._told("cannot be read"):
            (found,) = self._query("", ["count(*)"])
        return int(found["count(*)"])

    def rows_of(self, ids: list[str]) -> Rows:
        """The rows of some ids, in their order."""
        found: list[Any] = []
        with self._told("cannot be read"):
            for part in _parts(ids):
                found += self._query(_among(part), _FIELDS)
        return self._rows(found).in_order(ids)

    def _query(self, condition: str, fields: list[str]) -> list[Any]:
        return list(
            self._client.query(self._name, filter=condition, output_fields=fields, consistency_level="Strong")
        )

    # -- as a source -------------------------------------------------------------------------------------

    def survey(self, columns: Collection[str]) -> Iterator[Rows]:
        """All rows without their vectors."""
        return self._read(["id", *columns])

    def blocks(self) -> Iterator[Rows]:
        """All rows in the order of their keys."""
        return self._read(_FIELDS)

    def _read(self, fields: list[str]) -> Iterator[Rows]:
        with self._told("cannot be read"):
            found = self._client.query_iterator(
                self._name, batch_size=_AT_ONCE, output_fields=fields, consistency_level="Strong"
            )
            try:
                while part := found.next():
                    yield self._rows(part)
            finally:
                found.close()

    def _rows(self, found: list[Any]) -> Rows:
        dimension = self.encoder.dimension
        vectors = [row["vector"] for row in found if "vector" in row]
        return Rows(
            [row["id"] for row in found],
            [row.get("text") for row in found],
            jsons_of([row.get("metadata", {}) for row in found], lambda place: self._row(found[place]["id"])),
            np.array(vectors, dtype=np.float32).reshape(-1, dimension),
        )

    # -- as a destination --------------------------------------------------------------------------------

    bounded = ("text", "metadata")

    def admit(self, encoder: EncoderRecord) -> None:
        """Milvus has limits to a vector's length.

        Raises:
            InputError: Naming them.
        """
        if encoder.dimension not in _DIMENSIONS:
            raise InputError(f"Milvus holds vectors of 2 to 32,768 numbers, not of {encoder.dimension}")

    def fault(self, rows: Rows) -> tuple[int, str] | None:
        """The first row that is too long for a field."""
        texts = [text or "" for text in rows.texts]
        for what, values, most in (
            ("id", rows.ids, _LONGEST),
            ("text", texts, _LONGEST),
            ("metadata", rows.metadata, _LONGEST_JSON),
        ):
            if found := too_long(values, most):
                place, length = found
                return place, f"its {what} has {length:,} bytes, and Milvus holds at most {most:,}"
        return None

    def create(self, record: CopyRecord) -> None:
        """Make the collection without an index: rows that come in are indexed at the end, together."""
        kinds = self._pymilvus.DataType
        if self._client is None:
            Path(self._address).absolute().parent.mkdir(parents=True, exist_ok=True)
            self._connect()
        with self._told("cannot be made"):
            if self._client.has_collection(self._name):
                raise StoreError(f"{self.name} is there meanwhile: another copy is under way")
            schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("key", kinds.VARCHAR, is_primary=True, max_length=36)
            schema.add_field("id", kinds.VARCHAR, max_length=_LONGEST)
            schema.add_field("text", kinds.VARCHAR, max_length=_LONGEST, nullable=True)
            schema.add_field("metadata", kinds.JSON)
            schema.add_field("vector", kinds.FLOAT_VECTOR, dim=record.encoder.dimension)
            self._client.create_collection(
                self._name, schema=schema, properties={NAME: record.text()}, consistency_level="Strong"
            )
        self.record = record

    def reopen(self, record: CopyRecord) -> None:
        """Index and load what is there: Milvus answers no question before."""
        self._resumed = True
        self._load()

    def _load(self) -> None:
        with self._told("cannot be indexed"):
            if not self._client.list_indexes(self._name, field_name="vector"):
                chosen = self._client.prepare_index_params()
                kind = "AUTOINDEX" if self._is_server else "FLAT"
                chosen.add_index("vector", index_type=kind, metric_type="IP")
                self._client.create_index(self._name, chosen)
            self._client.load_collection(self._name)

    def present(self, ids: list[str]) -> set[str]:
        """Which of the ids are there."""
        found: set[str] = set()
        with self._told("cannot be read"):
            for part in _parts(ids):
                found.update(row["id"] for row in self._query(_among(part), ["id"]))
        return found

    def write(self, rows: Rows) -> None:
        """Insert rows; after a kill in a way that takes one twice."""
        with self._told("cannot be written"):
            send = self._client.upsert if self._resumed else self._client.insert
            for part in rows.in_parts(_AT_ONCE):
                columns = zip(part.ids, part.texts, part.metadata, part.vectors, strict=True)
                send(
                    self._name,
                    [
                        {
                            "key": key_of(id),
                            "id": id,
                            "text": text,
                            "metadata": values_of(values),
                            "vector": vector,
                        }
                        for id, text, values, vector in columns
                    ],
                )

    def finish(self, record: CopyRecord) -> None:
        """Have all rows on the disk, index and load them, and write the record."""
        with self._told("cannot be written"):
            self._client.flush(self._name)
        self._load()
        with self._told("cannot be written"):
            self._client.alter_collection_properties(self._name, properties={NAME: record.text()})
        self.record = record

    def search(self, queries: Vectors, k: int) -> list[list[str]]:
        """The ids of the nearest rows."""
        if not len(queries):
            return []
        with self._told("cannot be searched"):
            found = self._client.search(
                self._name,
                data=list(queries),
                anns_field="vector",
                limit=k,
                output_fields=["id"],
                consistency_level="Strong",
            )
            return [[hit["entity"]["id"] for hit in hits] for hits in found]

    @contextmanager
    def _told(self, how: str) -> Iterator[None]:
        """Turn the client's errors into one line without a key."""
        try:
            yield
        except (InputError, StoreError):
            raise
        except Exception as error:  # the client raises gRPC's errors too, and its servers' any
            message = getattr(error, "message", None) or str(error) or type(error).__name__
            raise StoreError(f"{self.name} {how}: {self._redact(message)}") from None


_LOGGERS = ("pymilvus", "milvus_lite")


def _parts(ids: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(ids), _AT_ONCE):
        yield ids[first : first + _AT_ONCE]


def _among(ids: list[str]) -> str:
    """A condition on keys, which are hexadecimal digits and hyphens."""
    return f"key in [{','.join(repr(key_of(id)) for id in ids)}]"
