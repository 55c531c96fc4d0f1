"""The reader in ``docs/index-format.md``, which knows only faiss, sqlite3 and json, reads what is written."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.index import VectorIndex

DOCUMENT = Path(__file__).parents[2] / "docs" / "index-format.md"


@pytest.fixture(scope="module")
def reader() -> dict[str, Any]:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(DOCUMENT), "exec"), names)
    return names


@pytest.mark.parametrize("factory", ["Flat", "HNSW32", "IVF4,Flat", "SQ8", "IVF1024,Flat"])
def test_the_documented_reader_finds_the_same(tmp_path: Path, reader: dict[str, Any], factory: str) -> None:
    encoder, path = TinyEncoder(), tmp_path / "index"
    texts = [f"text {i}" for i in range(200)]
    search: Callable[..., list[tuple[str, float]]] = reader["search"]
    VectorIndex.create(path, encoder, factory).close()
    index = VectorIndex.open(path, encoder)

    def all_lists(query: np.ndarray) -> list[tuple[str, float]]:
        documents, vectors = reader["read"](path)
        faiss.extract_index_ivf(vectors).nprobe = 4
        scores, keys = vectors.search(query[None], vectors.ntotal)
        pairs = zip(keys[0].tolist(), scores[0].tolist(), strict=True)
        return [(documents[key][0], score) for key, score in pairs if key in documents][:8]

    def compare() -> None:
        for query in encoder.encode_query(["text 3", "text 150", "other"]):
            hits = index.search(query, k=8)
            found = all_lists(query) if factory == "IVF4,Flat" else search(path, query, 8)
            assert [id for id, _ in found] == [hit.id for hit in hits]
            assert [score for _, score in found] == pytest.approx([hit.score for hit in hits], abs=1e-6)

    index.add(texts, metadata=[{"n": i, "名": "值"} for i in range(200)])
    index.delete(index.ids()[:5])
    compare()  # with a journal
    documents, _ = reader["read"](path)
    expected = [(one.id, one.text, one.metadata) for one in index.get(index.ids()) if one]
    assert list(documents.values()) == expected
    index.close()
    index = VectorIndex.open(path, encoder)
    compare()  # without
    index.add(["new"], ["new"])
    with (path / next(path.glob("journal-*")).name).open("ab") as file:
        file.write(b"half a record")
    compare()
    index.close()


def test_the_documented_schema_is_the_schema(tmp_path: Path, encoder: TinyEncoder) -> None:
    path = VectorIndex.create(tmp_path / "index", encoder).path
    (documented,) = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)
    connection = sqlite3.connect(path / "documents.sqlite")
    schema = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL")]
    names = [name for (name,) in connection.execute("SELECT name FROM state ORDER BY name")]
    connection.close()

    def plain(sql: str) -> str:
        return re.sub(r"\s+", " ", sql).replace("( ", "(").replace(" )", ")").strip()

    assert [plain(one) for one in documented.split(";") if one.strip()] == [plain(one) for one in schema]
    assert names == [
        "changes",
        "checksum",
        "commit",
        "documents",
        "generation",
        "journal_bytes",
        "next_key",
        "snapshot",
    ]


def test_no_pickle_anywhere(tmp_path: Path, encoder: TinyEncoder) -> None:
    with VectorIndex.create(tmp_path / "index", encoder) as index:
        index.add(["one"], metadata=[{"a": 1}])
    for file in (tmp_path / "index").iterdir():
        start = file.read_bytes()[:2]
        assert not re.match(rb"\x80[\x02-\x05]", start), file
    package = Path(__file__).parents[2] / "youtu_st" / "index"
    for source in package.glob("*.py"):
        assert not re.search(r"\b(pickle|marshal|shelve|allow_pickle=True|eval\()", source.read_text()), (
            source
        )


def test_vectors_are_little_endian_float32_unit_rows(tmp_path: Path, encoder: TinyEncoder) -> None:
    index = VectorIndex.create(tmp_path / "index", encoder)
    index.add(["one", "two"], vectors=np.array([[3.0] + [0] * 15, [0, -4.0] + [0] * 14]))
    data = (tmp_path / "index" / "journal-0.f32").read_bytes()
    one = b"\x01" + b"\0" * 7 + b"\x00\x00\x80\x3f" + b"\0" * 60
    two = b"\x02" + b"\0" * 7 + b"\0" * 4 + b"\x00\x00\x80\xbf" + b"\0" * 56
    assert data == one + two
    index.close()
