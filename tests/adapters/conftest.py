"""A tiny reranker's checkpoint, for the adapters of both frameworks."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoints import reranker_checkpoint


@pytest.fixture(scope="session")
def reranker_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw checkpoint for the spec ``qwen3-reranker-0.6b``."""
    return reranker_checkpoint(tmp_path_factory.mktemp("reranker"))
