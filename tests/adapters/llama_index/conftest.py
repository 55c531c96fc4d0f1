from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "index"))  # tiny.py, the encoder of the index's tests

from tiny import TinyEncoder

from llama_index.vector_stores.youtu import YoutuVectorStore


@pytest.fixture
def encoder() -> TinyEncoder:
    return TinyEncoder()


@pytest.fixture
def store(tmp_path: Path, encoder: TinyEncoder) -> Iterator[YoutuVectorStore]:
    """An empty store over ``tmp_path / "index"``."""
    made = YoutuVectorStore.create(tmp_path / "index", encoder)
    yield made
    made.close()
