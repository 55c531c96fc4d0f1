from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import pytest
from tiny import TinyEncoder

from youtu_st.index import VectorIndex


@pytest.fixture
def encoder() -> TinyEncoder:
    return TinyEncoder()


@pytest.fixture
def make(tmp_path: Path, encoder: TinyEncoder) -> Iterator[Callable[..., VectorIndex]]:
    """Creates an index in ``tmp_path / "index"``, closed at the end."""
    made: list[VectorIndex] = []

    def create(factory: str = "Flat") -> VectorIndex:
        made.append(VectorIndex.create(tmp_path / "index", encoder, factory))
        return made[-1]

    yield create
    for index in made:
        index.close()


@pytest.fixture
def index(make: Callable[..., VectorIndex]) -> VectorIndex:
    return make()


@pytest.fixture(scope="module")
def one_faiss_thread() -> Iterator[None]:
    """So small an index is trained in no time, unless FAISS's threads wait for processors that others use."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)
