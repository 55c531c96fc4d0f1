"""Tiny models of all architectures, and whether a graph gives their vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from checkpoints import VOCABULARY
from sentence_transformers import SentenceTransformer

from youtu_st.backends.graphs.making import Made
from youtu_st.backends.graphs.running import Graph
from youtu_st.loading.loader import load

NETWORKS = [
    ("bert", "wordpiece", "bidirectional"),
    ("xlm-r", "unigram", "bidirectional"),
    *(
        (name, "bpe-bos", attention)
        for name in ("qwen2", "qwen3", "youtu")
        for attention in ("bidirectional", "causal")
    ),
]
POOLINGS = ("masked_mean", "mean", "last_token", "cls")
CASES = [
    (*network, kernel, POOLINGS[(2 * i + j) % 4])
    for i, network in enumerate(NETWORKS)
    for j, kernel in enumerate(("sdpa", "eager"))
]
"""Every network with both kernels of attention, and every pooling with four of them."""
ONCE = {CASES[2 * i + i // 2 % 2] for i in range(len(NETWORKS))}
"""Every network once, and so with either mask each kernel, and every pooling twice."""


def build(case: tuple[str, ...], checkpoint: Any, spec_file: Callable[..., Path]) -> SentenceTransformer:
    """The model of a case."""
    architecture, tokenizer, attention, kernel, pooling = case
    spec = spec_file(attention=attention, pooling=pooling, boundary="token_count")
    directory = checkpoint(architecture, tokenizer)
    return load(spec, directory, model_kwargs={"attn_implementation": kernel})


def features_of(model: SentenceTransformer, graph: Graph, texts: list[str], prompt: str) -> dict[str, Any]:
    found = model.preprocess(texts, prompt=prompt)
    return {name: found[name].numpy() for name in graph.inputs}


def check_texts(graph: Graph, model: SentenceTransformer, texts: list[str], tolerance: float = 1e-5) -> None:
    """The graph gives what ``encode_query`` and ``encode_document`` give, one by one and in one batch."""
    for prompt, expected in (
        (model.prompts["query"], model.encode_query(texts, normalize_embeddings=True)),
        (model.prompts["document"], model.encode_document(texts, normalize_embeddings=True)),
    ):
        together = graph.run(features_of(model, graph, texts, prompt))
        np.testing.assert_allclose(together, expected, rtol=0, atol=tolerance)
        alone = [graph.run(features_of(model, graph, [text], prompt))[0] for text in texts]
        np.testing.assert_allclose(alone, expected, rtol=0, atol=tolerance)


def check_shapes(graph: Graph, model: SentenceTransformer, tolerance: float = 1e-5) -> None:
    """The graph gives what the modules give, for lengths and numbers of rows that it was never checked on."""
    rng = np.random.default_rng(5)
    for rows, width in ((1, 2), (1, 37), (4, 4), (7, 1), (6, 90), (2, 211)):
        for left in (False, True):
            lengths = rng.integers(1, width + 1, rows)
            attended = np.arange(width) < lengths[:, None]
            content = attended & (np.arange(width) >= rng.integers(0, width + 1, rows)[:, None])
            if left:
                attended, content = attended[:, ::-1], content[:, ::-1]
            given = {
                "input_ids": rng.integers(2, VOCABULARY, (rows, width)),
                "attention_mask": attended.astype(np.int64),
                "content_mask": content.astype(np.int64),
                "token_type_ids": rng.integers(0, 2, (rows, width)),
            }
            given = {name: np.ascontiguousarray(given[name]) for name in graph.inputs}
            with torch.inference_mode():
                tensors = {name: torch.from_numpy(value) for name, value in given.items()}
                raw = model({**tensors, "modality": "text"})["sentence_embedding"].numpy()
            expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
            np.testing.assert_allclose(graph.run(given), expected, rtol=0, atol=tolerance)


def check_made(made: Made, graph: Graph, model: SentenceTransformer, pooling: str) -> None:
    """What a maker says of its work is so."""
    named = {"input_ids", "attention_mask"}
    named |= {"content_mask"} if pooling == "masked_mean" else set()
    named |= {"token_type_ids"} if "token_type_ids" in model.tokenizer.model_input_names else set()
    assert set(made.inputs) == set(graph.inputs) == named
    assert sorted(made.files) == sorted(path.name for path in graph.path.parent.iterdir())
    assert made.files[0] == graph.path.name
    assert 0 <= made.difference <= 1e-5
    assert 1 - 1e-5 < made.cosine < 1 + 1e-5
    assert made.versions["torch"] == torch.__version__
    assert graph.versions.items() <= made.versions.items()
