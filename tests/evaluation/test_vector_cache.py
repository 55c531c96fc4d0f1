"""Vectors on disk: what is found is what was kept, whatever was cut, damaged or grew too large."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from holding import held
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.evaluation.benchmark.vectors import VectorCache, key_of

DIMENSION = 3


def rows(numbers: list[int]) -> np.ndarray:
    return np.array([[n, n + 0.5, -n] for n in numbers], dtype=np.float32).reshape(-1, DIMENSION)


def keys(numbers: list[int]) -> list[bytes]:
    return [key_of("document", "", str(n)) for n in numbers]


@settings(max_examples=40, deadline=None)
@given(
    blocks=st.lists(st.sets(st.integers(0, 40), max_size=8), max_size=6),
    asked=st.lists(st.integers(0, 45), max_size=30),
    reopen=st.booleans(),
)
def test_against_a_dict(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[set[int]], asked: list[int], reopen: bool
) -> None:
    root = tmp_path_factory.mktemp("cache")
    oracle: dict[int, np.ndarray] = {}
    cache = VectorCache(root, "f", DIMENSION)
    for step, block in enumerate(blocks):
        numbers = sorted(block)
        vectors = rows(numbers) + step
        cache.add(keys(numbers), vectors)
        oracle.update(zip(numbers, vectors, strict=True))
        if reopen:
            cache.close()
            cache = VectorCache(root, "f", DIMENSION)
    with cache:
        there, found = cache.find(keys(asked))
        assert len(cache) == len(oracle)
    assert there.tolist() == [n in oracle for n in asked]
    for i, n in enumerate(asked):
        if n in oracle:
            np.testing.assert_array_equal(found[i], oracle[n])


def test_role_prompt_and_text_are_one_key() -> None:
    parts = [
        ("query", "", "ab"),
        ("document", "", "ab"),
        ("query", "a", "b"),
        ("query", "ab", ""),
        ("query", "", "a"),
    ]
    assert len({key_of(*each) for each in parts}) == len(parts)


def test_another_fingerprint_or_dimension_never_hits(tmp_path: Path) -> None:
    with VectorCache(tmp_path, "one", DIMENSION) as cache:
        cache.add(keys([1]), rows([1]))
    for fingerprint, dimension in (("two", DIMENSION), ("one", DIMENSION + 1)):
        with VectorCache(tmp_path, fingerprint, dimension) as cache:
            assert not cache.find(keys([1]))[0].any()


def test_what_a_kill_left_after_the_last_block_is_written_over(tmp_path: Path) -> None:
    with VectorCache(tmp_path, "f", DIMENSION) as cache:
        cache.add(keys([1, 2]), rows([1, 2]))
        path = next(cache.directory.glob("vectors-*.f32"))
    with path.open("ab") as file:
        file.write(b"half of a rec")
    with VectorCache(tmp_path, "f", DIMENSION) as cache:
        cache.add(keys([3]), rows([3]))
        there, found = cache.find(keys([1, 2, 3]))
    assert there.all()
    np.testing.assert_array_equal(found, rows([1, 2, 3]))


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_damaged_vectors_are_encoded_again(tmp_path: Path, damage: str) -> None:
    with VectorCache(tmp_path, "f", DIMENSION) as cache:
        cache.add(keys([1, 2]), rows([1, 2]))
        path = next(cache.directory.glob("vectors-*.f32"))
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content if damage == "flip" else content[:-5])
    if damage == "gone":
        path.unlink()
    said: list[str] = []
    with VectorCache(tmp_path, "f", DIMENSION, notify=said.append) as cache:
        assert not cache.find(keys([1, 2]))[0].any()
        (told,) = said
        assert "damaged" in told
        assert str(path) in told
        cache.add(keys([1, 2]), rows([1, 2]))
        there, found = cache.find(keys([1, 2]))
    assert there.all()
    np.testing.assert_array_equal(found, rows([1, 2]))


def test_a_damaged_table_is_made_anew(tmp_path: Path) -> None:
    with VectorCache(tmp_path, "f", DIMENSION) as cache:
        cache.add(keys([1]), rows([1]))
    (cache.directory / "texts.sqlite").write_bytes(b"no database at all" * 100)
    said: list[str] = []
    with VectorCache(tmp_path, "f", DIMENSION, notify=said.append) as cache:
        assert not cache.find(keys([1]))[0].any()
        cache.add(keys([1]), rows([1]))
        assert cache.find(keys([1]))[0].all()
    assert len(said) == 1


def test_the_table_alone_says_what_counts(tmp_path: Path) -> None:
    """Killed after the vectors and before the transaction: nothing of the block is there."""
    with VectorCache(tmp_path, "f", DIMENSION) as cache:
        cache.add(keys([1]), rows([1]))
    with sqlite3.connect(cache.directory / "texts.sqlite") as table:
        table.execute("DELETE FROM texts")
        table.execute("DELETE FROM blocks")
    with VectorCache(tmp_path, "f", DIMENSION) as cache:
        assert not cache.find(keys([1]))[0].any()
        cache.add(keys([2]), rows([2]))
        there, found = cache.find(keys([1, 2]))
    assert there.tolist() == [False, True]
    np.testing.assert_array_equal(found[1], rows([2])[0])


def test_one_writer(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from youtu_st.evaluation.benchmark.vectors import VectorCache\n"
        f"cache = VectorCache(Path({str(tmp_path)!r}), 'f', {DIMENSION}); print('held', flush=True); sys.stdin.read()"
    )
    with held(program), pytest.raises(InputError, match="another run writes to .*f-3 now"):
        VectorCache(tmp_path, "f", DIMENSION)
    VectorCache(tmp_path, "f", DIMENSION).close()


def test_it_stays_as_small_as_it_may_be(tmp_path: Path) -> None:
    size = 2_000_000
    for fingerprint in ("old", "new"):
        with VectorCache(tmp_path, fingerprint, 256, size=size) as cache:
            for block in range(40):
                numbers = list(range(block * 100, block * 100 + 100))
                cache.add(keys(numbers), np.full((100, 256), block, dtype=np.float32))
                assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < size * 1.3
            there, found = cache.find(keys([3999, 3950]))
            assert there.all()  # the last block
            assert (found == 39).all()
            assert not cache.find(keys([0]))[0].any()  # the first one gave way
    assert not (tmp_path / "old-256" / "texts.sqlite").exists()


def test_a_disk_that_takes_nothing_leaves_the_vectors_there(tmp_path: Path) -> None:
    with VectorCache(tmp_path, "f", DIMENSION) as cache:
        cache.add(keys([1]), rows([1]))
    table = cache.directory / "texts.sqlite"
    table.rename(tmp_path / "aside")
    table.mkdir()
    with pytest.raises(InputError, match=r"cannot be kept in .*: unable to open .*YOUTU_ST_CACHE"):
        VectorCache(tmp_path, "f", DIMENSION)
    table.rmdir()
    (tmp_path / "aside").rename(table)
    with VectorCache(tmp_path, "f", DIMENSION) as cache:
        assert cache.find(keys([1]))[0].all()
