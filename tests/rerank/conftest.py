"""A tiny reranker and its oracle, made once per run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from card import Card
from checkpoints import reranker_checkpoint
from filelock import FileLock
from run_once import RUN, once
from tiny_rerankers import KINDS, Made

import youtu_st
from youtu_st.rerank import Reranker

NAME = "qwen3-reranker-0.6b"


@pytest.fixture(scope="session")
def raw() -> Path:
    """A raw checkpoint. Not to be written to."""
    return once("reranker", reranker_checkpoint)


@pytest.fixture(scope="session")
def made() -> Callable[[str], Made]:
    """``made(kind)``: one of ``KINDS``, made once per run. Not to be written to."""

    def make(kind: str) -> Made:
        home = RUN / f"reranker-{kind}"
        home.mkdir(exist_ok=True)
        facts = home / "made.json"
        with FileLock(home / "lock"):  # where it is made is where it stays: a spec or a model names its place
            if not facts.exists():
                model, settings = KINDS[kind](home)
                told = [str(model), {name: str(value) for name, value in settings.items()}]
                facts.write_text(json.dumps(told))
        model, settings = json.loads(facts.read_text())
        return model, settings

    return make


@pytest.fixture(scope="session")
def exported_kind(made: Callable[[str], Made]) -> Callable[..., Path]:
    """``exported_kind(kind, engine)``: what is exported of it, once per run. Not to be written to."""

    def make(kind: str, engine: Any = "onnx") -> Path:
        model, settings = made(kind)
        return once(
            f"reranker-{kind}-{engine}",
            lambda out: youtu_st.export(model, out=out, engine=engine, **settings),
        )

    return make


@pytest.fixture(scope="session")
def card(raw: Path) -> Card:
    """The model card's procedure on it."""
    return Card(raw)


@pytest.fixture(scope="session")
def reranker(raw: Path) -> Reranker:
    """Ours. Not to be changed."""
    return Reranker(NAME, checkpoint=raw)
