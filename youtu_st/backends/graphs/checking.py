"""Whether a graph gives the model's own vectors: on batches of all shapes, and on real texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from youtu_st import probes
from youtu_st.backends.graphs.running import Features, Graph
from youtu_st.backends.graphs.whole import Whole, WholeModel
from youtu_st.errors import ModelLoadError
from youtu_st.inputs import unit_rows
from youtu_st.modules import checks
from youtu_st.modules.mask import CONTENT_MASK
from youtu_st.modules.settings import prompt_for
from youtu_st.protocol import Role, Vectors

LONGEST = 300
"""Tokens of the longest row that is tried."""

_FOLLOWED = (3, 11)
# Rows and tokens: one text as a query is, many, short and long ones; none as those that are followed.
_SHAPES = ((1, 1), (1, 9), (2, 2), (5, 3), (3, 17), (9, 5), (4, 64), (1, 131), (2, LONGEST))

Batches = list[tuple[Features, Vectors]]
"""Features and what the model makes of them."""


def example(whole: Whole) -> dict[str, torch.Tensor]:
    """A batch to follow through the model; what it computes for others must not depend on this one."""
    rows, tokens = _FOLLOWED
    features = _features(np.random.default_rng(3), whole, (rows, min(tokens, longest(whole))), False)
    return {name: torch.from_numpy(value) for name, value in features.items()}


def shapes(whole: WholeModel) -> Batches:
    """Batches of many shapes, and the model's vectors of them."""
    return [(features, vectors(whole, features)) for features in of_all_shapes(whole)]


def of_all_shapes(whole: Whole) -> Iterator[Features]:
    """Batches of many shapes, padded on either side, some rows without content."""
    random = np.random.default_rng(11)
    limit = longest(whole)
    for rows, tokens in _SHAPES:
        for left in (False, True):
            yield _features(random, whole, (rows, min(tokens, limit)), left)


def longest(whole: Whole) -> int:
    """Most tokens that are tried of a model."""
    transformer: Any = whole.model[0]
    known = (LONGEST, whole.max_length, checks.observed_limit(transformer))
    return min(limit for limit in known if limit is not None)


def computed(whole: Whole, features: Features) -> Any:
    """What the model itself makes of a batch."""
    with torch.inference_mode():
        return whole(**{name: torch.from_numpy(value) for name, value in features.items()})


def _features(random: np.random.Generator, whole: Whole, shape: tuple[int, int], left: bool) -> Features:
    lengths = random.integers(1, shape[1] + 1, shape[0])
    lengths[-1] = shape[1]
    attended = np.arange(shape[1]) < lengths[:, None]
    # The instruction takes up to all of a text: such a one has no content.
    content = attended & (np.arange(shape[1]) >= random.integers(0, lengths + 1)[:, None])
    content[0] = False
    if left:
        attended, content = attended[:, ::-1], content[:, ::-1]
    vocabulary = whole.network.get_input_embeddings().weight.shape[0]
    types = getattr(whole.network.config, "type_vocab_size", 1)
    found = {
        "input_ids": random.integers(0, vocabulary, shape),
        "attention_mask": attended.astype(np.int64),
        CONTENT_MASK: content.astype(np.int64),
        "token_type_ids": random.integers(0, max(types, 1), shape),
    }
    return {name: np.ascontiguousarray(found[name]) for name in whole.inputs}


def texts(whole: WholeModel) -> Batches:
    """The probe texts, as the model itself tokenises them, with the prompts of both roles."""
    asked: tuple[tuple[Role, tuple[str, ...]], ...] = (
        ("query", probes.QUERIES + probes.PROBE_TEXTS),
        ("document", probes.DOCUMENTS + probes.PROBE_TEXTS),
    )
    batches: Batches = []
    for role, listed in asked:
        prompt = prompt_for(whole.model, role)
        for text in listed:
            found = whole.model.preprocess([text], prompt=prompt)
            features = {name: found[name].numpy().astype(np.int64) for name in whole.inputs}
            batches.append((features, vectors(whole, features)))
    return batches


def vectors(whole: WholeModel, features: Features) -> Vectors:
    """The model's own vectors of a batch.

    Raises:
        ModelLoadError: If one of them is zero or not finite.
    """
    found = computed(whole, features).numpy()
    shape = (len(features["input_ids"]), whole.dimension)
    return unit_rows(found, shape, "the model's vectors", ModelLoadError)


def difference(graph: Graph, batches: Batches) -> float:
    """Largest absolute difference of any number of any vector; infinite where one is not finite."""
    gaps = [np.abs(graph.run(features) - expected).max() for features, expected in batches]
    largest = float(np.max(gaps))
    return largest if np.isfinite(largest) else float("inf")


def cosine(graph: Graph, batches: Batches) -> float:
    """Lowest cosine of a vector and what it should be; minus 1 where one is not finite."""
    found: list[npt.NDArray[np.float64]] = [
        probes.cosines(graph.run(features), expected) for features, expected in batches
    ]
    lowest = float(np.min(np.concatenate(found)))
    return lowest if np.isfinite(lowest) else -1.0
