"""Models that are served here: each loaded once for a file. Not to be changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoints import reranker_checkpoint
from serving.in_process import ready

from youtu_st import Encoder
from youtu_st.rerank import Reranker
from youtu_st.serving.server import Server


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> Encoder:
    """A tiny Youtu: prompts that differ, instructions, vectors of 8, 16 and 32 numbers."""
    return Encoder(tiny, truncation="ignore", unknown="ignore", max_length=96, batch_tokens=1024)


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Reranker:
    """A tiny Qwen3 reranker."""
    raw = reranker_checkpoint(tmp_path_factory.mktemp("reranker"))
    settings = {"truncation": "ignore", "unknown": "ignore", "max_length": 384, "batch_tokens": 1024}
    return Reranker("qwen3-reranker-0.6b", checkpoint=raw, **settings)


@pytest.fixture(scope="module")
def server(encoder: Encoder, reranker: Reranker) -> Server:
    """Both, with a queue that holds 4,096 tokens."""
    return ready(encoder, reranker, name="tiny", max_texts=64, max_documents=16, queue_tokens=4096)
