"""The engine and ``youtu-st serve``, each as it is: the library's vectors, whatever happens to the server."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import checkpoints
import numpy as np
import pytest
from checkpoints import TEXTS
from serving.served_process import ready

from youtu_st import Encoder
from youtu_st.engines import OpenAICompatibleEncoder
from youtu_st.errors import EngineError, InputError, TruncationWarning
from youtu_st.index import VectorIndex

pytest.importorskip("fastapi")

INSTRUCTIONS = [("Classify the topic", None, "", "Find {braces}")[i % 4] for i in range(len(TEXTS))]
LONG = " ".join(f"word {i}" for i in range(400))


@pytest.fixture(scope="module")
def youtu(checkpoint, tmp_path_factory):
    """A tiny Youtu: its spec's file, its checkpoint, and the encoder of it."""
    file = checkpoints.save_spec(
        tmp_path_factory.mktemp("served") / "tiny.yaml", max_length=256, matryoshka_dimensions=[8, 16]
    )
    raw = checkpoint("youtu", "bpe-bos")
    return file, raw, Encoder(file, checkpoint=raw, truncation="ignore", unknown="ignore")


@pytest.fixture(scope="module")
def served_youtu(youtu, tmp_path_factory):
    with ready(tmp_path_factory.mktemp("youtu"), youtu[0], "--checkpoint", youtu[1]) as server:
        yield server


@pytest.fixture(scope="module")
def served_minilm(tmp_path_factory):
    with ready(tmp_path_factory.mktemp("minilm"), "minilm") as server:
        yield server


def test_minilm(served_minilm):
    local = Encoder("minilm", truncation="ignore", unknown="ignore")
    engine = OpenAICompatibleEncoder(served_minilm.base_url, "minilm", truncation="ignore")
    texts = [*TEXTS, LONG]
    np.testing.assert_allclose(engine.encode_query(texts), local.encode_query(texts), atol=1e-6)
    np.testing.assert_allclose(engine.encode_document(texts), local.encode_document(texts), atol=1e-6)
    assert (engine.identity, engine.fingerprint) == (local.identity, local.fingerprint)
    assert engine.spec.name == engine.model_name == "minilm"
    with pytest.raises(InputError, match="this model takes no instructions"):
        engine.encode_query(["a"], instruction="Classify")


def test_a_model_that_leaves_its_prompt_out_of_the_mean(served_youtu, youtu):
    local, engine = youtu[2], OpenAICompatibleEncoder(served_youtu.base_url)
    for given in (None, "Classify the topic", "", INSTRUCTIONS):
        for role in ("query", "document"):
            encode = f"encode_{role}"
            got = getattr(engine, encode)(TEXTS, instruction=given)
            np.testing.assert_allclose(got, getattr(local, encode)(TEXTS, instruction=given), atol=1e-6)
    np.testing.assert_allclose(
        engine.encode_query(TEXTS, dimensions=8), local.encode_query(TEXTS, dimensions=8), atol=1e-6
    )
    with pytest.raises(InputError, match="dimensions must be one of 8, 16, 32"):
        engine.encode_query(TEXTS, dimensions=9)
    with pytest.raises(InputError, match="the instruction is a whole prompt"):
        engine.encode_query(["a"], instruction="Instruction: Classify \nQuery:")
    short = OpenAICompatibleEncoder(served_youtu.base_url, "tiny:document", dimensions=16)
    assert short.fingerprint == Encoder(local.model, dimensions=16).fingerprint


def test_texts_over_its_length(served_youtu, youtu):
    texts = ["a", "b", "a", LONG]
    strict = OpenAICompatibleEncoder(served_youtu.base_url, truncation="error")
    with pytest.raises(
        InputError, match=r"^text 3 has .* tokens with what stands before it, and the model reads 256"
    ):
        strict.encode_document(texts)
    with pytest.warns(TruncationWarning, match="^1 of 3 texts were cut by"):
        got = OpenAICompatibleEncoder(served_youtu.base_url).encode_document(texts)
    np.testing.assert_allclose(got, youtu[2].encode_document(texts), atol=1e-6)


def test_an_index_opens_here_and_there(served_youtu, youtu, tmp_path):
    local, engine = youtu[2], OpenAICompatibleEncoder(served_youtu.base_url)
    best = np.argsort(-(local.encode_document(TEXTS) @ local.encode_query(["the weather"])[0]))
    for name, first, second in (("here", local, engine), ("there", engine, local)):
        with VectorIndex.create(tmp_path / name, first) as index:
            index.add(TEXTS[:6])
        with VectorIndex.open(tmp_path / name, second) as index:
            index.add(TEXTS[6:])
            assert [hit.text for hit in index.search("the weather", k=4)] == [TEXTS[i] for i in best[:4]]


@pytest.mark.slow
def test_other_weights_behind_the_same_address(youtu, checkpoint, tmp_path):
    file, raw, _ = youtu
    with ready(tmp_path, file, "--checkpoint", raw) as server:
        engine, port = OpenAICompatibleEncoder(server.base_url, "tiny"), server.url.rpartition(":")[2]
        engine.encode_query(["a"])
    other = checkpoints.save_checkpoint(tmp_path / "other", "qwen2", "bpe-bos")
    with (
        ready(tmp_path, file, "--checkpoint", other, "--port", port),
        pytest.raises(
            EngineError, match=r"serves another model now: its fingerprint was \w{16}, and is \w{16}"
        ),
    ):
        engine.encode_query(["a"])


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 9])
def test_a_server_that_is_killed_and_started_anew(youtu, tmp_path, seconds):
    """At once; and after longer than five attempts with the usual pauses take."""
    file, raw, local = youtu
    texts = [f"{TEXTS[i % len(TEXTS)]} {'on and on ' * (i % 9)}{i}" for i in range(2000)]
    call = (tmp_path, file, "--checkpoint", raw)
    with ready(*call) as server, ThreadPoolExecutor(1) as threads:
        engine, port = (
            OpenAICompatibleEncoder(server.base_url, "tiny", batch_size=8),
            server.url.rpartition(":")[2],
        )
        got = threads.submit(engine.encode_document, texts)
        while server.answered < 20:
            assert not got.done()
            time.sleep(0.01)
        server.stop(signal.SIGKILL)
        assert server.answered < 250
        time.sleep(seconds)
        assert not got.done()
        with ready(*call, "--port", port) as again:
            np.testing.assert_allclose(got.result(), local.encode_document(texts), atol=1e-6)
            assert 250 <= server.answered + again.answered <= 250 + engine.concurrency
        assert engine.fingerprint == local.fingerprint
