"""A tiny reranker and its oracle, made once per run."""

from __future__ import annotations

from pathlib import Path

import pytest
from card import Card
from checkpoints import reranker_checkpoint

from youtu_st.rerank import Reranker

NAME = "qwen3-reranker-0.6b"


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw checkpoint. Not to be written to."""
    return reranker_checkpoint(tmp_path_factory.mktemp("reranker"))


@pytest.fixture(scope="session")
def card(raw: Path) -> Card:
    """The model card's procedure on it."""
    return Card(raw)


@pytest.fixture(scope="session")
def reranker(raw: Path) -> Reranker:
    """Ours. Not to be changed."""
    return Reranker(NAME, checkpoint=raw)
