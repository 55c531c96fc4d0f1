"""VectorIndex: documents that are found by meaning, in a directory that survives being killed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.errors import InputError, brief
from youtu_st.index import inputs
from youtu_st.index.agreement import check_vectors
from youtu_st.index.blocks import Block, read_blocks
from youtu_st.index.filtering.filters import Filter, compile_filter
from youtu_st.index.lexical.words import check_available
from youtu_st.index.model import encoder_of
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.results import Document
from youtu_st.index.searches import Searches
from youtu_st.index.storage.creation import check_vacant, create_directory
from youtu_st.index.storage.directory import IndexDirectory
from youtu_st.index.storage.documents import DocumentStore
from youtu_st.index.storage.manifest import Manifest, check_encoder, check_probes, read_manifest
from youtu_st.inputs import check_count, unit_rows
from youtu_st.protocol import TextEncoder, Vectors


class VectorIndex(Searches):
    """Documents in a directory, searched by the vectors of one encoder.

    One object or process writes at a time; any number read, and see each change as soon as it is committed.
    When ``add`` or ``delete`` has returned, its change survives a kill at any moment. An object may be shared
    by threads, which take turns.

        >>> with VectorIndex.create("rivers", encoder) as index:
        ...     ids = index.add(["The Rhine flows north."], metadata=[{"lang": "en"}])
        ...     hits = index.search("Which way does the Rhine flow?", k=1, filter={"lang": "en"})
    """

    def __init__(self, directory: IndexDirectory, encoder: TextEncoder) -> None:
        """For :meth:`create` and :meth:`open`, which are the ways to get one."""
        self.encoder = encoder
        self._directory = directory

    @classmethod
    def create(
        cls, path: str | Path, encoder: TextEncoder, factory: str = "Flat", *, lexical: bool = True
    ) -> VectorIndex:
        """Make an empty index in a new or empty directory.

        Args:
            path: The directory; its parents are made too.
            encoder: What turns texts into vectors.
            factory: A FAISS factory string. ``Flat`` is exact. One that needs training searches exactly
                until enough different vectors are there, and is then trained on a sample of them: in ``add``
                and again as the index grows or, if it keeps less than the vectors, once, at ``close``.
            lexical: Whether documents can be found by their words too, see :meth:`search`.

        Raises:
            IndexExistsError: If the directory holds an index or anything else.
            InputError: If the factory string cannot be used.
            VectorIndexError: If this Python's SQLite cannot keep words: pass ``lexical=False``.
        """
        table = VectorTable(factory, encoder.dimension)
        check_vacant(Path(path))
        if lexical:
            check_available()
        manifest = Manifest.new(encoder, factory, lexical=lexical)
        create_directory(Path(path), manifest, table)
        return cls(IndexDirectory(Path(path), manifest, None, created=True), encoder)

    @classmethod
    def open(
        cls, path: str | Path, encoder: TextEncoder | None = None, *, search_parameters: str | None = None
    ) -> VectorIndex:
        """Open an index for reading; its first ``add`` or ``delete`` makes it the writer.

        Args:
            path: The directory.
            encoder: The encoder it was built with. Another dtype, device or backend may open it if its
                vectors of the manifest's probe texts have a cosine of at least 0.999 to the stored ones.
                None: this process's one for the model that the manifest names. Where nothing is encoded, as
                in a search by words, ``RecordedEncoder(read_manifest(path))`` does, and no model is loaded.
            search_parameters: FAISS parameters such as ``"nprobe=64"`` or ``"efSearch=128"``.

        Raises:
            IndexNotFoundError: If there is no index.
            IndexMismatchError: If the encoder is another: the message lists what differs.
            IndexDamagedError: If a file cannot be read: the message names it.
            ModelLoadError: If there is no encoder, and the manifest's model cannot be loaded here.
        """
        manifest = read_manifest(path)
        encoder = encoder_of(manifest, path) if encoder is None else encoder
        check_encoder(manifest, encoder, Path(path))
        return cls(IndexDirectory(Path(path), manifest, search_parameters), encoder)

    @property
    def path(self) -> Path:
        """The directory."""
        return self._directory.path

    @property
    def manifest(self) -> Manifest:
        """What the index was built with."""
        return self._directory.manifest

    def check(self, encoder: TextEncoder) -> None:
        """Refuse an encoder whose vectors of the manifest's probe texts are not the index's.

        For a framework's embedding object, of which nothing but its vectors is known; ``open`` compares names
        and fingerprints first.

        Raises:
            IndexMismatchError: If a vector's cosine to the index's own is below 0.999.
        """
        check_probes(self.manifest, encoder, self.path)

    def close(self) -> None:
        """Close the index: a writer tidies up, and lets others write. Nothing is lost without it."""
        self._directory.close()

    def __enter__(self) -> VectorIndex:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        directory = self._directory
        state = "closed" if directory.closed else f"{directory.table.alive_count} documents"
        return f"VectorIndex({str(self.path)!r}, {self.manifest.model!r}, {self.manifest.factory!r}, {state})"

    # -- writing -----------------------------------------------------------------------------------------

    def add(
        self,
        texts: Iterable[str],
        ids: Iterable[str] | None = None,
        metadata: Iterable[dict[str, Any] | None] | None = None,
        *,
        vectors: npt.ArrayLike | None = None,
        probe: bool = False,
    ) -> list[str]:
        """Add documents, all or none of them.

        Args:
            texts: The documents' texts; none may be blank.
            ids: An id for each; a document with that id is replaced. Without ids, random ones are made.
            metadata: A dictionary of JSON values for each, or None.
            vectors: Their vectors if they are known, shape ``(len(texts), dimension)``; otherwise the
                encoder makes them.
            probe: Encode at most twenty of the texts again, and refuse vectors that are not this encoder's.
                False trusts whoever hands them in, as who has just made them; vectors of unknown origin are
                worth the twenty texts, see :func:`youtu_st.index.check_vectors`.

        Returns:
            The id of each text.

        Raises:
            InputError: If an argument is wrong: the message names the position.
            IndexMismatchError: If ``probe`` finds a cosine below 0.999; then nothing is added.
            IndexLockedError: If somebody else is writing.
        """
        batch = inputs.check_batch(texts, ids, metadata)
        rows = None
        if vectors is not None:
            rows = unit_rows(vectors, (len(batch.returned), self.manifest.dimension), "vectors")
            rows = rows if batch.kept is None else rows[batch.kept]
            if probe:
                check_vectors(self.encoder, batch.texts, rows)
        self._directory.become_writer()  # before the encoder's work, which may take hours
        if not batch.texts:
            return []
        if rows is None:
            rows = self._checked(self.encoder.encode_document(batch.texts), len(batch.texts))
        self._directory.append(batch, rows)
        return batch.returned

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents, all or none of them.

        Returns:
            How many there were; unknown ids are not an error.

        Raises:
            IndexLockedError: If somebody else is writing.
        """
        return self._directory.remove(inputs.check_ids(ids))

    def train(self) -> None:
        """Train the factory on what has been added, now and not when it would be by itself.

        Does nothing for a factory that needs no training, or is trained.

        Raises:
            VectorIndexError: If there are fewer different vectors than centroids: the message has the number.
        """
        self._directory.train()

    def remember(self, settings: Mapping[str, int]) -> None:
        """Keep in the manifest how the documents were made, for who brings them up to date.

        The index does not look at it.

        Args:
            settings: Numbers by their names; they take the place of those that are there.

        Raises:
            IndexLockedError: If somebody else is writing.
        """
        self._directory.remember(settings)

    # -- reading -----------------------------------------------------------------------------------------

    def get(self, ids: Iterable[str]) -> list[Document | None]:
        """The documents of some ids, in their order; None where there is none."""
        wanted = inputs.check_ids(ids)
        rows = self._directory.read(lambda documents, _: documents.rows_of(wanted))
        found = {row.id: row for row in rows}
        return [Document.of(found[id]) if id in found else None for id in wanted]

    def ids(self, filter: Filter | None = None) -> list[str]:
        """The ids of all documents that match, in the order they were added."""
        condition = compile_filter(filter)
        return self._directory.read(lambda documents, _: documents.ids(condition))

    def vectors(self, ids: Iterable[str]) -> Vectors:
        """The stored vectors of some documents, shape ``(len(ids), dimension)``, float32.

        A factory with quantization (PQ, SQ) or PCA gives back what it kept of them.

        Raises:
            InputError: If an id is not in the index.
        """
        wanted = inputs.check_ids(ids)

        def stored(documents: DocumentStore, table: VectorTable) -> Vectors:
            keys = documents.keys_of(wanted)
            if unknown := [id for id in wanted if id not in keys]:
                raise InputError(f"there is no document with the id {brief(unknown[0])}")
            return table.reconstruct(np.array([keys[id] for id in wanted], dtype=np.int64))

        return self._directory.read(stored)

    def blocks(self, rows: int = 1024) -> Iterator[Block]:
        """All documents with their vectors, in the order they were added, so many at a time.

        Args:
            rows: Documents of a block; the last one has what is left.

        Raises:
            VectorIndexError: If something is added or deleted meanwhile, or this kind of FAISS index cannot
                give its vectors back.
        """
        return read_blocks(self._directory, check_count("rows", rows))

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self.get([id]) != [None]

    def __len__(self) -> int:
        return self._directory.read(lambda _, table: table.alive_count)
