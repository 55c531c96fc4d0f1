"""A :class:`~youtu_st.index.VectorIndex` as either end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from youtu_st.errors import IndexNotFoundError, InputError, StoreError, VectorIndexError
from youtu_st.index import Manifest, VectorIndex, read_manifest
from youtu_st.index.inputs import check_batch
from youtu_st.index.recorded import RecordedEncoder
from youtu_st.index.storage.creation import check_vacant
from youtu_st.probes import EncoderRecord
from youtu_st.protocol import Vectors
from youtu_st.scale.copying.digest import digest_of
from youtu_st.scale.copying.record import CopyRecord
from youtu_st.scale.copying.rows import TO_JSON, Rows, rows_of_a_block, values_of

_ROWS, _IDS = "copied_rows", "copied_ids"
"""Under which names an index that is being filled remembers what it is to be."""


class IndexStore:
    """An index in a directory, opened without its model.

    Args:
        path: The directory.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._path = Path(path)
        self._index: VectorIndex | None = None
        self._manifest: Manifest | None = None
        with suppress(IndexNotFoundError):
            self._manifest = read_manifest(self._path)
            self._index = VectorIndex.open(self._path, RecordedEncoder(self._manifest))

    @property
    def _opened(self) -> VectorIndex:
        if self._index is None:
            raise IndexNotFoundError(f"there is no index in {self.name}")
        return self._index

    def close(self) -> None:
        """Close the index, which then folds what was added."""
        if self._index is not None:
            self._index.close()

    def count(self) -> int:
        """Documents that are there."""
        return len(self._opened)

    def rows_of(self, ids: list[str]) -> Rows:
        """The documents of some ids, in their order."""
        found = [document for document in self._opened.get(ids) if document is not None]
        return Rows(
            [document.id for document in found],
            [document.text for document in found],
            [TO_JSON.encode(document.metadata) for document in found],
            self._opened.vectors([document.id for document in found]),
        )

    # -- as a source -------------------------------------------------------------------------------------

    @property
    def encoder(self) -> EncoderRecord:
        """The encoder of the vectors."""
        return self._opened.manifest

    @property
    def settings(self) -> Mapping[str, int]:
        """What the index remembers."""
        return self._opened.manifest.settings

    def check_source(self) -> None:
        """Refuse an index that a copy has not filled.

        Raises:
            StoreError: If that is so.
        """
        if _ROWS in self.settings:
            raise StoreError(f"the copy into {self.name} was not finished: finish it with --resume")

    def survey(self, columns: Collection[str]) -> Iterator[Rows]:
        """All documents without vectors."""
        for rows in self.blocks():
            rows.vectors = rows.vectors[:0]
            yield rows

    def blocks(self) -> Iterator[Rows]:
        """All documents in the order they were added."""
        for block in self._opened.blocks(rows_of_a_block(self.encoder.dimension)):
            yield Rows(block.ids, list(block.texts), block.metadata, block.vectors)

    # -- as a destination --------------------------------------------------------------------------------

    @property
    def record(self) -> CopyRecord | None:
        """Of the copy that fills the index, or has."""
        if self._index is None or self._manifest is None:
            return None
        settings = dict(self._index.manifest.settings)
        if _ROWS in settings:
            rows, ids = settings.pop(_ROWS), settings.pop(_IDS)
            return CopyRecord(self._manifest, rows, ids, settings=settings)
        ids = digest_of(self._index.ids())
        return CopyRecord(self._manifest, len(self._index), ids, finished=bool(len(self._index)))

    bounded = ("text", "metadata")

    def admit(self, encoder: EncoderRecord) -> None:
        """An index takes any encoder's vectors; the directory must be free.

        Raises:
            IndexExistsError: If it holds anything else.
        """
        if self._index is None:
            check_vacant(self._path)

    def fault(self, rows: Rows) -> tuple[int, str] | None:
        """The first row without a text, or with what an index does not take."""
        for place, text in enumerate(rows.texts):
            if text is None:
                return place, "it has no text, and an index keeps texts: run youtu-st embed with --keep-text"
        try:
            self._check(rows)
        except (InputError, VectorIndexError):
            for place in range(len(rows)):
                one = Rows(
                    rows.ids[place : place + 1],
                    rows.texts[place : place + 1],
                    rows.metadata[place : place + 1],
                    rows.vectors[:0],
                )
                try:
                    self._check(one)
                except (InputError, VectorIndexError) as error:
                    return place, f"an index does not take it: {error}"
            raise
        return None

    @staticmethod
    def _check(rows: Rows) -> None:
        check_batch(rows.texts, rows.ids, map(values_of, rows.metadata))  # type: ignore[arg-type]

    def create(self, record: CopyRecord) -> None:
        """Make an empty index, which remembers what it is to be."""
        self._index = VectorIndex.create(self._path, RecordedEncoder(record.encoder))
        self._manifest = self._index.manifest
        self._promise(record)

    def _promise(self, record: CopyRecord) -> None:
        self._opened.remember({**record.settings, _ROWS: record.rows, _IDS: record.ids})

    def reopen(self, record: CopyRecord) -> None:
        """An index is as it was committed; one that was just made may not know yet what it is to be."""
        if not self.count():
            self._promise(record)

    def present(self, ids: list[str]) -> set[str]:
        """Which of the ids are there."""
        return {document.id for document in self._opened.get(ids) if document is not None}

    def write(self, rows: Rows) -> None:
        """Add documents with their vectors."""
        texts = [text for text in rows.texts if text is not None]
        self._opened.add(texts, rows.ids, map(values_of, rows.metadata), vectors=rows.vectors)

    def finish(self, record: CopyRecord) -> None:
        """Remember what the source's index remembers, and no more."""
        if dict(self.settings) != dict(record.settings):
            self._opened.remember(record.settings)

    def search(self, queries: Vectors, k: int) -> list[list[str]]:
        """The ids of the nearest documents."""
        if not len(queries):
            return []
        return [[hit.id for hit in hits] for hits in self._opened.search_many(np.asarray(queries), k)]
