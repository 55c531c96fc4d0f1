from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import checkpoints
import numpy as np
import pytest
from engines.hostile_server import KINDS, Kind
from engines.tencent_server import SECRET_ID, SECRET_KEY

from youtu_st import Encoder
from youtu_st.spec.model import ModelSpec, load_spec

SIZES = {"matryoshka_dimensions": [8, 16]}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The loopback address needs no proxy, and nobody's own keys are used."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", SECRET_ID)
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", SECRET_KEY)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("specs")


@pytest.fixture(scope="session")
def last_token(checkpoint: Callable[[str, str], Path], folder: Path) -> tuple[ModelSpec, Encoder]:
    """As Qwen3-Embedding: causal, the last token, which is an EOS; and here with a document prompt too."""
    file = checkpoints.save_spec(
        folder / "last-token.yaml",
        pooling="last_token",
        attention="causal",
        padding_side="left",
        prompts={"query": "Instruct: Find it\nQuery:", "document": "Passage: "},
        template="Instruct: {instruction}\nQuery:",
        **SIZES,
    )
    return load_spec(file), Encoder(file, checkpoint=checkpoint("qwen3", "bpe-bos-eos"))


@pytest.fixture(scope="session")
def masked(checkpoint: Callable[[str, str], Path], folder: Path) -> tuple[ModelSpec, Encoder]:
    """As Youtu-Embedding: both ways, the mean of what is not instruction."""
    file = checkpoints.save_spec(folder / "masked.yaml", **SIZES)
    return load_spec(file), Encoder(file, checkpoint=checkpoint("youtu", "bpe-bos"))


@pytest.fixture(scope="session")
def serve() -> Callable[[Encoder], Callable[[list[str]], np.ndarray]]:
    """``serve(encoder)``: what a server computes from texts as they arrive, at a length of its own."""
    return lambda encoder: lambda texts: 3 * encoder.encode_query(texts, instruction="")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of the engines in turn."""
    return request.param


@pytest.fixture(scope="session")
def bare(folder: Path) -> ModelSpec:
    """A spec without prompts, of 32 dimensions, that both engines take; there is no model."""
    prompts = {"query": "", "document": ""}
    return load_spec(
        checkpoints.save_spec(folder / "bare.yaml", pooling="mean", prompts=prompts, template=None)
    )
