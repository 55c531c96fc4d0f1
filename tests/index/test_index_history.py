"""An index costs what its living documents cost, whatever has happened to it before; and old ones open."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TinyEncoder

from youtu_st.errors import IndexDamagedError
from youtu_st.index import VectorIndex, check_index, read_manifest
from youtu_st.index.storage.folding import Sizes


def bytes_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF2,Flat", "SQ8"])
def test_a_writer_that_replaces_again_and_again_stays_small(
    make: Callable[..., VectorIndex], tmp_path: Path, encoder: TinyEncoder, factory: str
) -> None:
    index, ids = make(factory), [str(i) for i in range(1000)]
    reader = VectorIndex.open(tmp_path / "index", encoder)
    vectors = np.random.default_rng(0).standard_normal((1000, 16))
    texts = [f"text {i} " + "with some more words " * 10 for i in ids]
    index.add(texts, ids, vectors=vectors)
    once = bytes_of(tmp_path / "index")
    for number in range(40):
        index.add([f"{text} {number}" for text in texts], ids, vectors=vectors[::-1])
        vectors = vectors[::-1]
        assert len(index._directory.table) <= 3000  # living and dead, in memory
    assert bytes_of(tmp_path / "index") < 12 * once
    hits = index.search_many(vectors[:50], k=1)
    assert [hit[0].text for hit in hits] == [f"{text} 39" for text in texts[:50]]
    assert [hit[0].id for hit in reader.search_many(vectors[:50], k=1)] == ids[:50]
    assert len(reader) == 1000
    reader.close()


def test_deleting_makes_an_index_small(tmp_path: Path, encoder: TinyEncoder) -> None:
    path = tmp_path / "index"
    texts = [f"text {i} " + "with some more words " * 50 for i in range(8000)]
    vectors = np.random.default_rng(0).standard_normal((8000, 16))
    with VectorIndex.create(path, encoder) as index:
        ids = index.add(texts, vectors=vectors)
        index.delete(ids[10:])
        assert len(index._directory.table) == 10
        assert index.ids() == ids[:10]
    assert bytes_of(path) < 100_000
    with VectorIndex.open(path, encoder) as index:
        assert [hit.id for hit in index.search(vectors[3], k=1)] == [ids[3]]
        assert [document.text for document in index.get(ids[:10]) if document] == texts[:10]


@given(
    steps=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=120),
    flat=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_what_is_in_memory_and_written_is_bounded(steps: list[tuple[int, int]], flat: bool) -> None:
    """Additions and deletions in any order: at most half as many dead as living, and few rewrites."""
    living = dead = journal = rewritten = added = 0
    for new, gone in steps:
        gone = min(gone, living)
        living, dead, journal, added = living + new - gone, dead + gone, journal + new, added + new + gone
        sizes = Sizes(living + dead, dead, 0, 72, 72 * journal, flat)
        if sizes.due:
            rewritten, dead, journal = rewritten + living, 0, 0
        assert dead <= max(500, living / 2)
    assert rewritten <= 2 * added


def test_what_cannot_be_dropped_is_no_reason_to_rewrite_again() -> None:
    assert Sizes(3000, 2000, 0, 72, 0, flat=False).due
    assert not Sizes(3000, 2000, 2000, 72, 0, flat=False).due
    assert Sizes(4000, 3000, 2000, 72, 0, flat=False).due


# -- directories of earlier releases -----------------------------------------------------------------------


@pytest.fixture
def first(tmp_path: Path, encoder: TinyEncoder) -> Path:
    """An index as version 1 wrote it: without checksums, a row for each dead vector."""
    path = tmp_path / "first"
    with VectorIndex.create(path, encoder) as index:
        index.add([f"text {i}" for i in range(20)], [str(i) for i in range(20)])
    index = VectorIndex.open(path, encoder)
    index.add(["more", "text 5 changed"], ["more", "5"])
    index.delete(["7"])
    copy = shutil.copytree(path, tmp_path / "index")
    index.close()
    connection = sqlite3.connect(copy / "documents.sqlite", isolation_level=None)
    connection.executescript("""
        CREATE TABLE removed (number INTEGER PRIMARY KEY, key INTEGER NOT NULL);
        INSERT INTO removed (key) VALUES (6), (8);
        DROP TABLE words;
        DROP TABLE changes;
        DELETE FROM state WHERE name NOT IN ('commit', 'generation', 'journal_bytes', 'next_key');
        CREATE TABLE kept AS SELECT * FROM documents;
        DROP TABLE documents;
        CREATE TABLE documents (
            key INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, text TEXT NOT NULL, metadata TEXT NOT NULL
        );
        INSERT INTO documents SELECT key, id, text, metadata FROM kept;
        DROP TABLE kept;
    """)
    connection.close()
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["checksum"], manifest["lexical"]
    (copy / "manifest.json").write_text(json.dumps(manifest | {"version": 1}))
    (copy / "committed").unlink()
    return Path(copy)


EXPECTED = {str(i): f"text {i}" for i in range(20) if i != 7} | {"more": "more", "5": "text 5 changed"}


def look(index: VectorIndex) -> dict[str, str]:
    documents = [document for document in index.get(index.ids()) if document]
    vectors = TinyEncoder().encode_document([document.text for document in documents])
    assert [hit[0].id for hit in index.search_many(vectors, k=1)] == [document.id for document in documents]
    return {document.id: document.text for document in documents}


def test_an_index_of_version_1_is_read_as_it_is(first: Path, encoder: TinyEncoder) -> None:
    before = (first / "manifest.json").read_bytes()
    with VectorIndex.open(first, encoder) as index:
        assert look(index) == EXPECTED
    assert (first / "manifest.json").read_bytes() == before
    assert check_index(first).damage == ()


def test_the_first_change_brings_it_up_to_date(first: Path, encoder: TinyEncoder) -> None:
    reader = VectorIndex.open(first, encoder)
    expected = {**EXPECTED, "new": "new"}
    with VectorIndex.open(first, encoder) as index:
        index.add(["new"], ["new"])
        assert look(index) == expected
        assert look(reader) == expected
        index.delete(["3"])
        del expected["3"]
        assert look(reader) == expected
        assert [hit.id for hit in index.search("changed", mode="lexical")] == ["5"]
    assert read_manifest(first).version == 3
    assert check_index(first).damage == ()
    with VectorIndex.open(first, encoder) as index:
        assert look(index) == expected
    reader.close()
    content = (first / "documents.sqlite").read_bytes()
    (first / "documents.sqlite").write_bytes(content.replace(b"text 5 changed", b"text 6 changed"))
    with (
        VectorIndex.open(first, encoder) as index,
        pytest.raises(IndexDamagedError, match="document 22 is not what was stored"),
    ):
        look(index)
