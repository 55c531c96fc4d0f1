"""Shared fixtures: tiny checkpoints, made once per run, for all of its processes."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if not IS_WORKER:  # workers inherit it: what one has made or converted is there for all of them
    os.environ["YOUTU_ST_TEST_RUN"] = tempfile.mkdtemp(prefix="youtu-st-test-")
RUN = Path(os.environ["YOUTU_ST_TEST_RUN"])
os.environ["YOUTU_ST_CACHE"] = str(RUN / "cache")  # nothing here may write into a user's
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nor reach for a hub

import checkpoints  # noqa: E402

import youtu_st  # noqa: E402

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_unconfigure() -> None:
    """Remove what the run has made."""
    if not IS_WORKER:
        shutil.rmtree(RUN, ignore_errors=True)


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not walk a million objects again and again."""
    gc.collect()
    gc.freeze()


def once(name: str, make: Callable[[Path], object]) -> Path:
    """The directory ``name`` of this run, made by the first process that asks. Not to be written to."""
    made = RUN / name
    with FileLock(RUN / f"{name}.lock"):
        if not made.exists():
            scratch = RUN / f"{name}.part"
            make(scratch)
            scratch.rename(made)
    return made


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
