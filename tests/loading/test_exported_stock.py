"""Models of sentence-transformers' own modules, without a spec: exported as they are."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import TEXTS
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

import youtu_st
from youtu_st import Encoder
from youtu_st.errors import InputError, ModelLoadError, TruncationWarning, UnknownTokenWarning

if importlib.util.find_spec("onnxruntime") is None:  # importing it here would start its telemetry
    pytest.skip("the extra onnx is not installed", allow_module_level=True)

LONG = "many words in a row " * 300
ASKED = [*TEXTS, LONG, "two\n\nparagraphs", "​"]
PROMPTS = {"query": "Query: ", "document": ""}
CASES = [
    ("bert", "wordpiece", "mean", False),
    pytest.param("qwen3", "bpe-bos", "lasttoken", False, marks=pytest.mark.slow),
    pytest.param("qwen2", "bpe-bos-eos", "cls", True, marks=pytest.mark.slow),
    pytest.param("bert", "wordpiece", "max", True, marks=pytest.mark.slow),
]
Checkpoint = Callable[..., Path]


def saved(folder: Path, weights: Path, mode: Any, dense: bool, **told: Any) -> Path:
    """A directory that sentence-transformers itself has written."""
    first = Transformer(str(weights), max_seq_length=64)
    width = first.get_embedding_dimension()
    after = [Dense(width, 24), Normalize()] if dense else []
    pooling = Pooling(width, mode, **told)
    SentenceTransformer(modules=[first, pooling, *after], prompts=PROMPTS, device="cpu").save_pretrained(
        str(folder)
    )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "tokenizer", "mode", "dense"), CASES)
def test_vectors_and_fingerprint_are_those_of_the_host(
    checkpoint: Checkpoint, tmp_path: Path, architecture: Any, tokenizer: Any, mode: str, dense: bool
) -> None:
    stock = saved(tmp_path / "stock", checkpoint(architecture, tokenizer), mode, dense)
    host = SentenceTransformer(str(stock), device="cpu")
    reference = Encoder(stock, truncation="ignore", unknown="ignore")
    encoder = Encoder(youtu_st.export(stock, out=tmp_path / "out"), truncation="ignore", unknown="ignore")
    assert (encoder.fingerprint, encoder.prompts) == (reference.fingerprint, PROMPTS)
    assert (encoder.max_length, encoder.normalizes) == (64, dense)
    for prompt, encode in ((PROMPTS["query"], "encode_query"), ("", "encode_document")):
        expected = host.encode(ASKED, prompt=prompt, batch_size=1, normalize_embeddings=True)
        np.testing.assert_allclose(getattr(encoder, encode)(ASKED), expected, atol=1e-5)
        np.testing.assert_allclose(getattr(reference, encode)(ASKED), expected, atol=1e-5)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, checkpoint: Checkpoint) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("stock")
    stock = saved(folder / "stock", checkpoint("bert", "wordpiece"), "mean", False)
    return stock, youtu_st.export(stock, out=folder / "out")


def test_errors_and_warnings_are_those_of_torch(both: tuple[Path, Path]) -> None:
    heard = []
    for path in both:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Encoder(path).encode_query([LONG, "a", "漢" * 30])
        ours = [one for one in caught if one.category in (TruncationWarning, UnknownTokenWarning)]
        heard.append([(one.category, str(one.message)) for one in ours])
    assert heard[0] == heard[1]
    assert [category for category, _ in heard[0]] == [TruncationWarning, UnknownTokenWarning]
    for path in both:
        with pytest.raises(InputError, match="takes no instructions"):
            Encoder(path).encode_query(["a"], instruction="find")
        with pytest.raises(InputError, match="tokens"):
            Encoder(path, truncation="error").encode_query([LONG])
        with pytest.raises(InputError, match="text 1 is blank"):
            Encoder(path).encode_query(["a", " "])


def test_no_host_is_imported(both: tuple[Path, Path]) -> None:
    program = f"""
import sys
from youtu_st import Encoder
print(Encoder({str(both[1])!r}).encode_query(["a"]).shape)
print([name for name in ("torch", "transformers", "sentence_transformers") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["(1, 32)", "[]"]


def test_what_no_graph_is_told_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    stock = saved(tmp_path / "stock", checkpoint("bert", "wordpiece"), "mean", False, include_prompt=False)
    with pytest.raises(ModelLoadError, match="include_prompt=False"):
        youtu_st.export(stock, out=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["stock"]
