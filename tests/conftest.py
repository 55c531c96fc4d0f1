"""Shared fixtures: tiny checkpoints, made once per run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here may reach for a hub
os.environ["YOUTU_ST_CACHE"] = tempfile.mkdtemp(prefix="youtu-st-cache-")  # nor write into a user's

import checkpoints

import youtu_st

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_unconfigure() -> None:
    """Remove what the run has put into its cache."""
    shutil.rmtree(os.environ["YOUTU_ST_CACHE"], ignore_errors=True)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """``checkpoint(architecture, tokenizer)``: a raw checkpoint's directory."""
    made: dict[tuple[str, str], Path] = {}

    def make(architecture: str, tokenizer: str) -> Path:
        key = (architecture, tokenizer)
        if key not in made:
            made[key] = checkpoints.save_checkpoint(tmp_path_factory.mktemp("-".join(key)), *key)
        return made[key]

    return make


@pytest.fixture(scope="session")
def tiny(checkpoint: Callable[[str, str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tiny Youtu model: 512 tokens, prompts, instructions, shorter vectors. Not to be written to."""
    out = tmp_path_factory.mktemp("tiny") / "model"
    spec = checkpoints.save_spec(out.parent / "tiny.yaml", matryoshka_dimensions=[8, 16])
    youtu_st.load(spec, checkpoint("youtu", "bpe-bos")).save_pretrained(str(out))
    return out


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[..., Path]:
    """``spec_file(**changes)``: a spec's YAML file for a tiny checkpoint."""
    return lambda **changes: checkpoints.save_spec(tmp_path / "tiny.yaml", **changes)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real public data sets, beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not there: the public data sets are not part of this repository")
    return SHARED_DATA
