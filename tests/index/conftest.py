from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

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
