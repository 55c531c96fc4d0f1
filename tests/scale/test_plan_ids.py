"""Two rows with one id are found, as a dictionary finds them, with nothing but hashes on a disk."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.scale.input import ids as module
from youtu_st.scale.input.ids import Ids, Twice


def first_twice(rows: list[tuple[int, int, str]]) -> Twice | None:
    seen: dict[str, tuple[int, int]] = {}
    for file, number, id in rows:
        if id in seen:
            return Twice(seen[id], (file, number))
        seen[id] = (file, number)
    return None


def add(ids: Ids, rows: list[tuple[int, int, str]]) -> None:
    for file in dict.fromkeys(file for file, _, _ in rows):
        own = [(number, id) for other, number, id in rows if other == file]
        ids.add([id for _, id in own], file, np.array([number for number, _ in own], np.int64))


@given(st.lists(st.lists(st.text("ab", min_size=1, max_size=3), max_size=8), max_size=4))
@settings(max_examples=200)
def test_as_a_dictionary_finds_them(files: list[list[str]]):
    rows = [(f, n, id) for f, names in enumerate(files) for n, id in enumerate(names, start=1)]
    with Ids() as ids:
        add(ids, rows)
        assert ids.twice() == first_twice(rows)


@pytest.mark.parametrize("seed", range(4))
def test_with_little_memory(seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Blocks go to the disk, and buckets that are too large go to smaller ones."""
    monkeypatch.setattr(module, "_HELD", 50)
    monkeypatch.setattr(module, "_SORTED", 12)
    draw = random.Random(seed)
    rows = [(f, n, f"id {draw.randrange(10**12)}") for f in range(3) for n in range(1, 301)]
    with Ids(tmp_path) as ids:
        add(ids, rows)
        assert ids.twice() is None
        assert ids.twice() is None  # it may be asked again
    one, other = sorted(draw.sample(range(len(rows)), 2))
    rows[other] = (*rows[other][:2], rows[one][2])
    with Ids(tmp_path) as ids:
        add(ids, rows)
        assert ids.twice() == Twice(rows[one][:2], rows[other][:2]) == first_twice(rows)
    assert list(tmp_path.iterdir()) == []


def test_one_id_many_times_does_not_divide_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_HELD", 50)
    monkeypatch.setattr(module, "_SORTED", 4)
    with Ids() as ids:
        ids.add(["same"] * 300, 0, np.arange(1, 301))
        assert ids.twice() == Twice((0, 1), (0, 2))


def test_ids_that_are_taken():
    with Ids() as ids:
        ids.known(["a", "b"], 1)
        ids.known(["c"], 3)
        ids.add(["d", "c"], 0, np.array([1, 2]))
        assert ids.twice() == Twice((-1, 3), (0, 2))


def test_rows_and_files_of_large_numbers():
    with Ids() as ids:
        ids.add(["a"], 100_000, np.array([10**11]))
        ids.add(["a"], 100_001, np.array([10**11 + 1]))
        assert ids.twice() == Twice((100_000, 10**11), (100_001, 10**11 + 1))


def test_no_room_for_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(module, "_HELD", 1)
    with Ids(tmp_path / "gone") as ids, pytest.raises(InputError, match="gone: no such file or directory"):
        ids.add(["a"], 0, np.array([1]))
