"""A collection of Qdrant as either end: a server's, or the client's own in a folder.

A point's id is a UUID made of the row's id; its payload has ``id``, ``text`` and ``metadata``. The record is
in the collection's metadata. Vectors have the distance ``Dot``, which of unit vectors is the cosine: with
``Cosine`` Qdrant would write them anew.
"""

from __future__ import annotations

import os
import re
import time
import warnings
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
from youtu_st.scale.copying.stores import Recorded, unknown

KEY_VARIABLE = "QDRANT_API_KEY"

_NAME = re.compile(r'[^\x00-\x1f/\\<>:"|?*]{1,255}')
_MOST_DIMENSIONS = 65_536
_MOST_BYTES = 24 << 20  # of a request, of which a server takes 32 MB
_AT_ONCE = 500
_META = "meta.json"  # of the client's own mode: which collections there are
_TIMEOUT = 120  # seconds of a request
_PAUSE = 0.5  # seconds between two looks at an index that is being built
_LINKS, _INDEXED_FROM = 16, 20_000  # Qdrant's own defaults, which are set back at the end


class QdrantCollection(Recorded):
    """One collection of Qdrant.

    Args:
        address: A server's, or a folder of the client's local mode.
        collection: The collection's name.
    """

    def __init__(self, address: str, collection: str) -> None:
        self._name, self._address = collection, address
        self._is_server = "://" in address
        super().__init__(f"qdrant:{address}#{collection}", None, "collection")
        key = os.environ.get(KEY_VARIABLE) if self._is_server else None
        if self._is_server:
            check_address(address, key, KEY_VARIABLE)
        if not _NAME.fullmatch(collection) or collection in (".", ".."):
            raise InputError(
                "a collection of Qdrant is named with at most 255 characters, none of them one of "
                f'/ \\ < > : " | ? *, not {brief(collection)}'
            )
        self._redact = Redactor([key])
        self._models: Any = require("qdrant_client.models", "qdrant")
        self._client: Any = None
        try:
            if self._is_server or (os.path.isdir(address) and not _is_begun(Path(address))):
                self._connect(key)
                self._open()
        except BaseException:
            self.close()
            raise

    def _connect(self, key: str | None = None) -> None:
        make: Any = require("qdrant_client", "qdrant").QdrantClient
        with self._told("cannot be reached" if self._is_server else "cannot be opened"):
            if self._is_server:
                self._client = make(
                    url=self._address, api_key=key, timeout=_TIMEOUT, check_compatibility=False
                )
            else:
                self._client = make(path=self._address, force_disable_check_same_thread=True)

    def _open(self) -> None:
        with self._told("cannot be read"):
            if not self._client.collection_exists(self._name):
                return
            about = self._client.get_collection(self._name)
        text = (about.config.metadata or {}).get(NAME)
        if not isinstance(text, str):
            raise unknown(self.name)
        self.record = CopyRecord.of(text, self.name)

    def close(self) -> None:
        """Close the connection, or let another process have the folder."""
        if self._client is not None:
            with suppress(Exception):  # what was written is there, whatever closing says
                self._client.close()
            self._client = None

    def count(self) -> int:
        """Points of the collection."""
        with self._told("cannot be read"):
            return int(self._client.count(self._name, exact=True).count)

    def rows_of(self, ids: list[str]) -> Rows:
        """The rows of some ids, in their order."""
        found: list[Any] = []
        with self._told("cannot be read"):
            for first in range(0, len(ids), _AT_ONCE):
                keys = [key_of(id) for id in ids[first : first + _AT_ONCE]]
                found += self._client.retrieve(self._name, keys, with_payload=True, with_vectors=True)
        return self._rows(found).in_order(ids)

    # -- as a source -------------------------------------------------------------------------------------

    def survey(self, columns: Collection[str]) -> Iterator[Rows]:
        """All rows without their vectors."""
        return self._read(with_vectors=False)

    def blocks(self) -> Iterator[Rows]:
        """All rows in the order of their points' ids."""
        return self._read(with_vectors=True)

    def _read(self, *, with_vectors: bool) -> Iterator[Rows]:
        after: Any = None
        while True:
            with self._told("cannot be read"):
                found, after = self._client.scroll(
                    self._name, limit=_AT_ONCE, offset=after, with_payload=True, with_vectors=with_vectors
                )
            if found:
                yield self._rows(found)
            if after is None:
                return

    def _rows(self, points: list[Any]) -> Rows:
        dimension = self.encoder.dimension
        for point in points:
            payload = point.payload or {}
            if not {"id", "text", "metadata"} <= payload.keys():
                raise StoreError(
                    f"point {point.id} of {self.name} has no id, text or metadata in its payload: it was not "
                    "written by youtu-st index copy"
                )
        payloads = [point.payload for point in points]
        vectors = [point.vector for point in points if point.vector is not None]
        return Rows(
            [payload["id"] for payload in payloads],
            [payload["text"] for payload in payloads],
            jsons_of(
                [payload["metadata"] for payload in payloads], lambda place: self._row(payloads[place]["id"])
            ),
            np.array(vectors, dtype=np.float32).reshape(-1, dimension),
        )

    # -- as a destination --------------------------------------------------------------------------------

    bounded = ("text", "metadata")

    def admit(self, encoder: EncoderRecord) -> None:
        """Qdrant has a limit to a vector's length.

        Raises:
            InputError: Naming it.
        """
        if encoder.dimension > _MOST_DIMENSIONS:
            raise InputError(
                f"Qdrant holds vectors of at most {_MOST_DIMENSIONS:,} numbers, not of {encoder.dimension}"
            )

    def fault(self, rows: Rows) -> tuple[int, str] | None:
        """The first row that no request can carry."""
        for place, (id, text, metadata) in enumerate(zip(rows.ids, rows.texts, rows.metadata, strict=True)):
            # JSON writes a character of one byte in at most six.
            size = 6 * (len(id) + len(text or "") + len(metadata))
            if size > _MOST_BYTES and (size := _bytes(id, text, metadata)) > _MOST_BYTES:
                return place, f"it has {size:,} bytes, and a request to Qdrant carries {_MOST_BYTES:,}"
        return None

    def create(self, record: CopyRecord) -> None:
        """Make the collection; its graph is built when all points are there.

        Raises:
            StoreError: If the server keeps no metadata of collections.
        """
        if self._client is None:
            if _is_begun(Path(self._address)):
                os.unlink(os.path.join(self._address, _META))
            self._connect()
        models = self._models
        with self._told("cannot be made"):
            self._client.create_collection(
                self._name,
                vectors_config=models.VectorParams(
                    size=record.encoder.dimension, distance=models.Distance.DOT
                ),
                hnsw_config=models.HnswConfigDiff(m=0),
                optimizers_config=models.OptimizersConfigDiff(indexing_threshold=0),
                metadata={NAME: record.text()},
            )
            kept = self._client.get_collection(self._name).config.metadata
            if not kept or NAME not in kept:
                self._client.delete_collection(self._name)
                raise StoreError(
                    f"{self.name} cannot be made: the server keeps no metadata of a collection, which Qdrant "
                    "does from release 1.16 on"
                )
        self.record = record

    def reopen(self, record: CopyRecord) -> None:
        """Nothing is to be done: points are looked up by their ids."""

    def present(self, ids: list[str]) -> set[str]:
        """Which of the ids are there."""
        found: set[str] = set()
        with self._told("cannot be read"):
            for first in range(0, len(ids), _AT_ONCE):
                keys = {key_of(id): id for id in ids[first : first + _AT_ONCE]}
                points = self._client.retrieve(self._name, list(keys), with_payload=False, with_vectors=False)
                found.update(keys[str(point.id)] for point in points)
        return found

    def write(self, rows: Rows) -> None:
        """Add points; one that was there would be the same."""
        with self._told("cannot be written"):
            for part in _requests(rows):
                columns = zip(part.ids, part.texts, part.metadata, strict=True)
                self._client.upsert(
                    self._name,
                    self._models.Batch(
                        ids=[key_of(id) for id in part.ids],
                        vectors=part.vectors.tolist(),
                        payloads=[
                            {"id": id, "text": text, "metadata": values_of(values)}
                            for id, text, values in columns
                        ],
                    ),
                    wait=True,
                )

    def finish(self, record: CopyRecord) -> None:
        """Set indexing back to what it is by default, wait for it, and write the record."""
        models = self._models
        with self._told("cannot be indexed"):
            self._client.update_collection(
                self._name,
                hnsw_config=models.HnswConfigDiff(m=_LINKS),
                optimizers_config=models.OptimizersConfigDiff(indexing_threshold=_INDEXED_FROM),
            )
            if self._is_server:
                self._wait()
            self._client.update_collection(self._name, metadata={NAME: record.text()})
        self.record = record

    def _wait(self) -> None:
        """Until the server was seen twice with nothing to index: it begins a moment after it is told."""
        green = 0
        while green < 2:
            time.sleep(_PAUSE)
            status = self._client.get_collection(self._name).status
            green = green + 1 if status != self._models.CollectionStatus.YELLOW else 0

    def search(self, queries: Vectors, k: int) -> list[list[str]]:
        """The ids of the nearest rows."""
        found: list[list[str]] = []
        with self._told("cannot be searched"):
            for query in queries:
                hits = self._client.query_points(
                    self._name, query=query.tolist(), limit=k, with_payload=["id"]
                ).points
                found.append([hit.payload["id"] for hit in hits])
        return found

    @contextmanager
    def _told(self, how: str) -> Iterator[None]:
        """Turn the client's errors into one line without a key."""
        try:
            with warnings.catch_warnings():
                # That plain http sends a key in the clear: it does so to this machine alone.
                warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
                yield
        except (InputError, StoreError):
            raise
        except Exception as error:  # the client raises those of what it sends with, and any of its own
            message = str(error) or type(error).__name__
            raise StoreError(f"{self.name} {how}: {self._redact(message)}") from None


def _is_begun(folder: Path) -> bool:
    """Whether a folder holds nothing but what is left where the client was ended when it made it."""
    if not (folder / _META).is_file() or (folder / _META).stat().st_size:
        return False
    return {entry.name for entry in folder.iterdir()} <= {_META, ".lock"}


def _bytes(*texts: str | None) -> int:
    return sum(len(text.encode()) for text in texts if text)


def _requests(rows: Rows) -> Iterator[Rows]:
    """The rows in requests that a server takes: so many rows, and so many bytes."""
    width = 24 * rows.vectors.shape[1]  # a number as JSON
    first, size = 0, 0
    for place in range(len(rows)):
        own = width + _bytes(rows.ids[place], rows.texts[place], rows.metadata[place])
        if place > first and (size + own > _MOST_BYTES or place - first >= _AT_ONCE):
            yield rows.at(list(range(first, place)))
            first, size = place, 0
        size += own
    if first < len(rows):
        yield rows.at(list(range(first, len(rows))))
