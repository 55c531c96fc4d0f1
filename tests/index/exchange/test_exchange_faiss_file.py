"""FAISS files that FAISS has written, read without it."""

from __future__ import annotations

import struct
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.index.exchange.faiss_file import read_vectors

ROWS = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)


def written(path: Path, factory: str, metric: int = faiss.METRIC_L2, rows: np.ndarray = ROWS) -> Path:
    index = faiss.index_factory(8, factory, metric)
    index.train(rows)
    index.add(rows)
    faiss.write_index(index, str(path))
    return path


@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L1])
@pytest.mark.parametrize("factory", ["Flat", "HNSW8,Flat", "IVF4,Flat", "IVF4_HNSW8,Flat"])
def test_vectors_in_the_order_they_were_added(
    factory: str, metric: int, tmp_path: Path, one_faiss_thread: None
) -> None:
    if metric == faiss.METRIC_L1 and factory != "Flat":
        pytest.skip("FAISS builds it with other metrics alone")
    found = read_vectors(written(tmp_path / "x.faiss", factory, metric))
    assert np.array_equal(found.vectors, ROWS)
    assert found.labels is None


@pytest.mark.parametrize("kind", [faiss.IndexIDMap, faiss.IndexIDMap2])
def test_labels(kind: type, tmp_path: Path) -> None:
    index = kind(faiss.IndexFlatL2(8))
    labels = np.arange(300, dtype=np.int64) * 7 + 5
    index.add_with_ids(ROWS, labels)
    faiss.write_index(index, str(tmp_path / "x"))
    found = read_vectors(tmp_path / "x")
    assert found.labels is not None
    assert np.array_equal(found.vectors, ROWS)
    assert np.array_equal(found.labels, labels)


def test_many_empty_lists_are_stored_otherwise(tmp_path: Path, one_faiss_thread: None) -> None:
    quantizer = faiss.IndexFlatL2(8)
    index = faiss.IndexIVFFlat(quantizer, 8, 100)
    index.train(ROWS)
    index.add(ROWS[:3])
    faiss.write_index(index, str(tmp_path / "x"))
    assert b"sprs" in (tmp_path / "x").read_bytes()
    assert np.array_equal(read_vectors(tmp_path / "x").vectors, ROWS[:3])


@pytest.mark.parametrize("factory", ["PQ4x4", "SQ8", "IVF4,PQ4x4", "L2norm,Flat"])
def test_what_does_not_keep_vectors_whole(factory: str, tmp_path: Path, one_faiss_thread: None) -> None:
    with pytest.raises(InputError, match=r"vectors are taken over from what keeps them whole.*--encode"):
        read_vectors(written(tmp_path / "x", factory))


@pytest.mark.parametrize("factory", ["Flat", "HNSW8,Flat", "IVF4,Flat"])
def test_every_cut_is_seen(factory: str, tmp_path: Path, one_faiss_thread: None) -> None:
    data = written(tmp_path / "x", factory, rows=ROWS[:40]).read_bytes()
    for size in [*range(0, min(len(data), 400)), *range(400, len(data), 97), len(data) - 1]:
        (tmp_path / "cut").write_bytes(data[:size])
        with pytest.raises(InputError, match="no FAISS index that can be read"):
            read_vectors(tmp_path / "cut")
    (tmp_path / "cut").write_bytes(data + b"x")
    with pytest.raises(InputError, match="1 bytes past its end"):
        read_vectors(tmp_path / "cut")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, bytes]:
    """Files to be written over, and what FAISS wrote."""
    folder, rows = tmp_path_factory.mktemp("faiss"), ROWS[:40]
    paths = [
        written(folder / f"{number}", factory, rows=rows)
        for number, factory in enumerate(["Flat", "HNSW4,Flat", "IVF2,Flat"])
    ]
    return {path: path.read_bytes() for path in paths}


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_byte_is_refused_or_harmless(samples: dict[Path, bytes], data: st.DataObject) -> None:
    for path, content in samples.items():
        place = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 200))
        changed = bytearray(content)
        changed[place] = data.draw(st.integers(0, 255))
        path.write_bytes(changed)
        try:
            found = read_vectors(path)
        except InputError:
            continue
        assert found.vectors.size * 4 <= len(content)


def test_a_count_that_no_file_has(tmp_path: Path) -> None:
    for count in (-1, 1 << 62, 1 << 40):
        head = (
            b"IxFI"
            + struct.pack("<iqqqBi", 8, count, 0, 0, 1, 0)
            + struct.pack("<Q", (count * 8) & ((1 << 64) - 1))
        )
        (tmp_path / "x").write_bytes(head)
        with pytest.raises(InputError, match="it says that it has"):
            read_vectors(tmp_path / "x")


def test_lists_that_would_take_more_memory_than_the_file_has_bytes(
    tmp_path: Path, one_faiss_thread: None
) -> None:
    content = bytearray(written(tmp_path / "x", "IVF4,Flat").read_bytes())
    struct.pack_into("<iq", content, 4, 1 << 20, 2000)  # 8 GB
    code_size = content.index(b"ilar") + 12
    struct.pack_into("<Q", content, code_size, 4 << 20)
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match=r"is no FAISS index that can be read: it is cut short$"):
        read_vectors(tmp_path / "x")
