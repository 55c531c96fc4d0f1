"""Is an index whole, and if not: what can be saved of it, in a new directory in its place."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from youtu_st.disk import beside, checksum
from youtu_st.errors import IndexDamagedError, VectorIndexError
from youtu_st.index.inputs import Batch
from youtu_st.index.keys import Keys
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.storage import creation, files
from youtu_st.index.storage.directory import IndexDirectory
from youtu_st.index.storage.documents import DocumentStore
from youtu_st.index.storage.manifest import Manifest, check_encoder
from youtu_st.index.storage.remains import Remains
from youtu_st.index.storage.rows import Row
from youtu_st.index.storage.schema import explained
from youtu_st.index.storage.state import Change
from youtu_st.inputs import unit_rows
from youtu_st.protocol import TextEncoder

T = TypeVar("T")

_BLOCK = 1024
"""Documents that are encoded and committed together."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What an index is found to be.

    Attributes:
        documents: Documents that are what was stored.
        vectors: Those of them that have their vectors.
        damage: What is wrong, a line each; none: the index is whole.
    """

    documents: int
    vectors: int
    damage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair did.

    Attributes:
        found: What the index was found to be.
        encoded: Documents whose vectors were lost, and were made anew.
        kept: Where the directory with the damage is now.
    """

    found: Condition
    encoded: int
    kept: Path


def check_index(path: str | Path) -> Condition:
    """Look at every byte of an index. Changes nothing, and loads no model.

    Raises:
        IndexNotFoundError: If there is no index.
    """
    with closing(Remains(Path(path))) as remains:
        table = remains.vectors()
        keys = _keys(remains.rows())
        remains.look_at_words()
        return _condition(remains, table, keys)


def _keys(rows: Iterable[Row]) -> Keys:
    """Of documents with the same id, which no whole index has, the last one's."""
    return np.array(sorted({row.id: row.key for row in rows}.values()), dtype=np.int64)


def _condition(remains: Remains, table: VectorTable | None, keys: Keys) -> Condition:
    alive = np.empty(0, dtype=np.int64) if table is None else table.keys[table.alive]
    both, damage = np.intersect1d(alive, keys), remains.damage
    if len(both) < len(keys):
        damage = [*damage, f"{len(keys) - len(both):,} documents have no vectors"]
    if len(both) < len(alive):
        damage = [*damage, f"{len(alive) - len(both):,} vectors have no documents"]
    return Condition(len(keys), len(both), tuple(damage))


def repair_index(path: str | Path, encoder: Callable[[Manifest | None], TextEncoder]) -> Repair:
    """Put what can be saved of an index in its place; the damaged directory is kept beside it.

    Documents that are what was stored stay, with their vectors as far as those are; the others are encoded
    again. What is lost is what no checksum vouches for: ``found.damage`` says how much.

    Args:
        path: The directory.
        encoder: Gives the encoder that the index was built with, when it is needed: given the manifest, or
            None where the manifest is lost.

    Raises:
        IndexNotFoundError: If there is no index.
        IndexLockedError: If somebody is writing to it.
        IndexDamagedError: If no document can be read.
        IndexMismatchError: If the encoder is another than the index was built with.
        VectorIndexError: If the new directory cannot be written.
    """
    path = Path(path)
    lock, made = creation.write_lock(path), beside(path.absolute())
    try:  # an interrupt may come when it is taken already
        creation.acquire(lock, path)
        with closing(Remains(path)) as remains:
            found, encoded = _rebuild(remains, made, encoder)
        kept = _free_name(path)
        try:
            with files.writing(path):
                path.rename(kept)
                made.rename(path)
        finally:
            if not path.exists():  # stopped in between
                kept.rename(path)
    finally:
        lock.release(force=True)
        shutil.rmtree(made, ignore_errors=True)
    return Repair(found, encoded, kept)


def _rebuild(
    remains: Remains, made: Path, encoder: Callable[[Manifest | None], TextEncoder]
) -> tuple[Condition, int]:
    table, keys = remains.vectors(), _keys(remains.rows())
    if not len(keys) and remains.damage and (remains.state is None or remains.state.documents):
        raise IndexDamagedError(
            f"no document of {remains.path} can be read: build the index again from its files; "
            f"{'; '.join(remains.damage)}"
        )
    found, manifest = _condition(remains, table, keys), remains.manifest
    made_by: TextEncoder | None = None
    if manifest is None:
        made_by = encoder(None)
        manifest = Manifest.new(made_by, "Flat")
    if table is None:
        table = VectorTable(manifest.factory, manifest.dimension)
    table.discard(np.setdiff1d(table.keys, keys))
    table.compact()
    with_vectors = frozenset(np.intersect1d(table.keys[table.alive], keys).tolist())
    without = frozenset(keys.tolist()) - with_vectors
    creation.create_directory(made, replace(manifest.upgraded(), count=0), table)
    _store(made, (row for row in remains.rows() if row.key in with_vectors), table)
    rest = (row for row in remains.rows() if row.key in without)
    if without:
        made_by = made_by or encoder(manifest)
        check_encoder(manifest, made_by, remains.path)
        _encode(made, manifest, rest, made_by)
    return found, len(without)


def _store(made: Path, rows: Iterator[Row], table: VectorTable) -> None:
    """Store documents whose vectors the snapshot holds, under the keys that they have there."""
    path, last = made / files.DOCUMENTS, int(table.keys[-1]) if len(table) else 0
    with explained(path), closing(DocumentStore(path, intact=True)) as documents:
        state = documents.begin(writing=True)
        count = 0
        for block in _blocks(rows):
            keys = np.array([row.key for row in block], dtype=np.int64)
            documents.insert(
                keys,
                [row.id for row in block],
                [row.text for row in block],
                [row.metadata for row in block],
            )
            count += len(block)
        dead = table.dead_keys
        change = Change(1, 0, checksum(b""), dead) if len(dead) else None
        documents.commit(replace(state, documents=count, next_key=last + 1), change)


def _encode(made: Path, manifest: Manifest, rows: Iterator[Row], encoder: TextEncoder) -> None:
    """Add documents whose vectors are lost."""
    directory = IndexDirectory(made, manifest, None, created=True)
    try:
        for block in _blocks(rows):
            texts = [row.text for row in block]
            vectors = unit_rows(
                encoder.encode_document(texts), (len(texts), manifest.dimension), "the encoder's vectors"
            )
            ids = [row.id for row in block]
            batch = Batch(texts, ids, [row.metadata for row in block], ids, None, may_replace=False)
            directory.append(batch, vectors)
    finally:
        directory.close()


def _blocks(items: Iterator[T]) -> Iterator[list[T]]:
    while block := list(islice(items, _BLOCK)):
        yield block


def _free_name(path: Path) -> Path:
    """A name beside the directory that nobody has."""
    for number in range(1, 1_000):
        free = path.absolute().with_name(f"{path.absolute().name}.damaged{'' if number == 1 else number}")
        if not free.exists():
            return free
    raise VectorIndexError(f"{path} has been repaired 1,000 times: remove some of the directories beside it")
