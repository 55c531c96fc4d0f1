"""A directory of Chroma, read by Chroma itself, from a copy: opening one may bring it up to date."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.errors import InputError, brief, in_one_line, printable, require
from youtu_st.index.exchange.rows import ROWS, Part

KIND = "a directory of Chroma"
FILE = "chroma.sqlite3"
_MOST_NAMED = 20


class ChromaSource:
    """A collection of a Chroma directory.

    Args:
        folder: The directory, which is not changed.
        collection: The collection's name; None: the only one.
        vectors: Whether the vectors are wanted.

    Raises:
        InputError: If Chroma cannot read it, or it has no such collection, or several and none is named.
        MissingDependencyError: If Chroma is not installed.
    """

    def __init__(self, folder: Path, collection: str | None, *, vectors: bool) -> None:
        chromadb = require("chromadb", "chroma")
        settings = require("chromadb.config", "chroma")
        self.name, self.kind = str(folder), KIND
        self.model: str | None = None
        self.notes: list[str] = []
        self._vectors = vectors
        self._collection: Any = None
        self._copy = tempfile.mkdtemp(prefix="youtu-st-chroma-")
        try:
            _copy(folder, Path(self._copy))
            try:
                # No word to anybody, and nothing from a file .env that happens to be here.
                chosen = settings.Settings(anonymized_telemetry=False, _env_file=None)
                client = chromadb.PersistentClient(self._copy, settings=chosen)
                names = sorted(found.name for found in client.list_collections())
                name = self._chosen(names, collection)
                # Whatever a collection says of its own model is not loaded: there is one to encode with here.
                self._collection = client.get_collection(name, embedding_function=None)
                self.count = int(self._collection.count())
                self.dimension = self._dimension() if vectors else None
            except InputError:
                raise
            except Exception as error:
                raise InputError(
                    in_one_line(f"{printable(self.name)}: Chroma cannot read it", error)
                ) from error
        except BaseException:
            self.close()
            raise

    def _chosen(self, names: list[str], wanted: str | None) -> str:
        listed = ", ".join(brief(name) for name in names[:_MOST_NAMED])
        more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
        if not names:
            raise InputError(f"{printable(self.name)} has no collection")
        if wanted is None and len(names) > 1:
            raise InputError(
                f"{printable(self.name)} has several collections: say which with collection= (--collection): "
                f"{listed}{more}"
            )
        if wanted is not None and wanted not in names:
            raise InputError(
                f"{printable(self.name)} has no collection {brief(wanted)}, and has: {listed}{more}"
            )
        return names[0] if wanted is None else wanted

    def _dimension(self) -> int | None:
        first = self._collection.get(include=["embeddings"], limit=1)["embeddings"]
        return None if first is None or not len(first) else len(first[0])

    def parts(self) -> Iterator[Part]:
        """All documents, in the order in which Chroma gives them."""
        include = ["documents", "metadatas", *(["embeddings"] if self._vectors else [])]
        for first in range(0, self.count, ROWS):
            try:
                found: Any = self._collection.get(include=include, limit=ROWS, offset=first)
                vectors = None
                if self._vectors:
                    vectors = np.asarray(found["embeddings"], dtype=np.float32)
            except Exception as error:
                raise InputError(
                    in_one_line(f"{printable(self.name)}: Chroma cannot read it", error)
                ) from error
            ids = list(found["ids"])
            texts = found["documents"] or [None] * len(ids)
            metadata = found["metadatas"] or [None] * len(ids)
            yield Part(ids, list(texts), [dict(one or {}) for one in metadata], vectors)

    def close(self) -> None:
        """Remove the copy."""
        self._collection = None
        shutil.rmtree(self._copy, ignore_errors=True)


def _copy(folder: Path, copy: Path) -> None:
    """The plain files of a directory; Chroma would follow a link, and wait for a pipe."""
    try:
        for place, folders, names in os.walk(folder, onerror=_raise):
            inside = copy / Path(place).relative_to(folder)
            inside.mkdir(exist_ok=True)
            folders[:] = [name for name in folders if not (Path(place) / name).is_symlink()]
            for name in names:
                file = Path(place) / name
                if file.is_symlink() or not file.is_file():
                    raise InputError(
                        f"{printable(str(file))} is no plain file, which no directory of Chroma has"
                    )
                shutil.copyfile(file, inside / name)
    except OSError as error:
        raise InputError(
            in_one_line(f"{printable(str(folder))} cannot be copied to be read", error)
        ) from error


def _raise(error: OSError) -> None:
    raise error
