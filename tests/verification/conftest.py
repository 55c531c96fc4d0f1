"""A tiny model that is right, to be broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import checkpoints
import pytest
from broken import Tiny

import youtu_st


@pytest.fixture(scope="session")
def right(checkpoint: Callable[[str, str], Path], tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Bidirectional, masked mean, BOS and EOS. Not to be written to."""
    folder = tmp_path_factory.mktemp("right")
    raw = checkpoint("qwen2", "bpe-bos-eos")
    changes = {"bos": True, "eos": True, "max_length": 64, "matryoshka_dimensions": [8, 16]}
    spec = checkpoints.save_spec(folder / "tiny.yaml", **changes)
    return Tiny(spec, raw, youtu_st.convert(spec, checkpoint=raw, out=folder / "saved"))


@pytest.fixture
def copy(right: Tiny, tmp_path: Path) -> Path:
    """A copy of the saved directory, to be broken."""
    return Path(shutil.copytree(right.saved, tmp_path / "copy"))
