"""A reranker made into one graph, which counts only once it has given the reranker's own scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sentence_transformers import CrossEncoder
from torch import Tensor

from youtu_st import probes
from youtu_st.backends.graphs import LOGITS, SCORES, Engine, Rounding, checking, writing
from youtu_st.backends.graphs.opening import open_graph
from youtu_st.backends.graphs.running import Features, Graph
from youtu_st.backends.graphs.whole import Whole
from youtu_st.errors import ModelLoadError

TOLERANCE = 1e-5
"""Largest difference of a score from the model's own, both in float32; of scores above 1 in proportion."""
LOGIT_TOLERANCE = 1e-4
"""The same before the activation, as a share of the largest: a sigmoid that gives 0 for all hides nothing."""

MOST_MOVED: dict[str, float] = {"int8": 0.05, "int8-dynamic": 0.1}
"""How far rounded weights may move a score, before the activation, as a share of the distance between the
best and the worst of the probe pairs: only documents that stand closer than twice that can change places. On
this machine: CPUs differ in how they sum small integers."""

Numbers = npt.NDArray[np.float32]
Batches = list[tuple[Features, Numbers, Numbers]]
"""Features, and the model's own scores and logits of them, each ``(batch,)``."""


@dataclass(frozen=True, slots=True)
class MadeReranker:
    """A reranker's graph that was made and checked.

    Attributes:
        files: Names of its files, the one that the engine opens first.
        inputs: Names of the features that it reads.
        difference: Largest difference from the model's scores, over batches of many shapes and the probe
            pairs, see :data:`TOLERANCE`; of rounded weights, before they were rounded.
        moved: As of :data:`MOST_MOVED`, over the probe pairs.
        versions: Of the packages that made it.
    """

    files: tuple[str, ...]
    inputs: tuple[str, ...]
    difference: float
    moved: float
    versions: dict[str, str]


class WholeReranker(Whole):
    """Features in, scores out: network, head and activation.

    Args:
        model: As it was loaded; not changed. A first module with a method ``keep_answers`` is asked for it
            in the copy: what is followed writes all weights that it reads.
        engine: For messages.

    Raises:
        ModelLoadError: If the network is none of PyTorch's.
    """

    def __init__(self, model: CrossEncoder, engine: Engine) -> None:
        super().__init__(model, engine, (), (SCORES, LOGITS))
        first: Any = self.model[0]
        if hasattr(first, "keep_answers"):
            first.keep_answers()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Each int64, shape ``(batch, tokens)``; gives scores ``(batch,)`` and logits ``(batch, 1)``."""
        features: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            features["token_type_ids"] = token_type_ids
        logits: Tensor = self.model({**features, "modality": "text"})["scores"].float()
        return self.model.activation_fn(logits).reshape(-1), logits.reshape(-1, 1)


def make_reranker_graph(
    model: CrossEncoder,
    folder: Path,
    *,
    engine: Engine,
    weights: Rounding | None = None,
    most_inline: int = writing.MOST_INLINE,
) -> MadeReranker:
    """Write a reranker as one graph: token ids and masks of pairs in, ``scores`` out.

    Inputs are int64, shape ``(batch, tokens)``, both of any size; the output is float32, shape ``(batch,)``.
    A second one, ``logits``, ``(batch, 1)``, is what they are before the activation.

    Args:
        model: With one score a pair, on PyTorch; not changed.
        folder: Where to write; there, and empty. After an error it is empty again.
        engine: ``onnx`` or ``openvino``.
        weights: As for :func:`~youtu_st.backends.graphs.making.make_graph`.
        most_inline: Bytes of weights from which they stand beside ``model.onnx``.

    Raises:
        ModelLoadError: If the model cannot be made into such a graph, or the graph's scores differ from the
            model's by more than :data:`TOLERANCE`, or with rounded weights by more than :data:`MOST_MOVED`.
        MissingDependencyError: If the engine, or what makes its graphs, is not installed.
        InputError: If an argument is not what it may be.
    """
    writing.check_arguments(folder, engine, weights)
    first: Any = model[0]
    with writing.whole_or_nothing(folder, type(first.model).__name__, engine):
        whole = WholeReranker(model, engine)
        expected, real = _batches(whole, checking.of_all_shapes(whole)), _batches(whole, _pairs(model, whole))
        writing.write(whole, folder, engine, most_inline)
        del whole
        graph = open_graph(engine, folder)
        difference = _within(graph, [*expected, *real])
        if weights is not None:
            graph = writing.rounded(graph, weights, most_inline)
        moved = _near(graph, real, weights)
        return MadeReranker(
            writing.files(graph), graph.inputs, difference, moved, writing.versions(graph, weights)
        )


def _pairs(model: CrossEncoder, whole: Whole) -> Any:
    """Some probe questions with each of the documents, as the model itself tokenises them, alone."""
    prompt = model.prompts.get(model.default_prompt_name or "")
    for query in probes.QUERIES[:4]:
        for document in (*probes.DOCUMENTS, *probes.PROBE_TEXTS):
            found: Any = model.preprocess([(query, document)], prompt=prompt)
            yield {name: found[name].numpy().astype(np.int64) for name in whole.inputs}


def _batches(whole: Whole, batches: Any) -> Batches:
    """The model's own scores and logits of batches.

    Raises:
        ModelLoadError: If one of them is not finite.
    """
    found = []
    for features in batches:
        scores, logits = (tensor.numpy().reshape(-1) for tensor in checking.computed(whole, features))
        if not (np.isfinite(scores).all() and np.isfinite(logits).all()):
            raise ModelLoadError("the model's scores are not finite: are its weights damaged?")
        found.append((features, scores, logits))
    return found


def _within(graph: Graph, expected: Batches) -> float:
    difference = 0.0
    unit = max(1.0, *(float(np.abs(logits).max()) for _, _, logits in expected))
    for features, scores, logits in expected:
        gaps = np.abs(graph.run(features) - scores) / np.maximum(1, np.abs(scores))
        inner = np.abs(graph.run(features, LOGITS).reshape(-1) - logits) / unit
        difference = max(difference, _largest(gaps), _largest(inner) * TOLERANCE / LOGIT_TOLERANCE)
    if difference > TOLERANCE:
        raise ModelLoadError(
            f"{graph.title}'s scores differ from PyTorch's by {difference:.2g}, and {TOLERANCE:g} is "
            "allowed: use backend='torch'"
        )
    return difference


def _near(graph: Graph, expected: Batches, weights: Rounding | None) -> float:
    wanted = np.concatenate([logits for _, _, logits in expected])
    found = np.concatenate([graph.run(features, LOGITS).reshape(-1) for features, _, _ in expected])
    moved = _largest(np.abs(found - wanted)) / max(float(np.ptp(wanted)), 1e-12)
    most = MOST_MOVED.get(weights or "")
    if most is not None and moved > most:
        raise ModelLoadError(
            f"weights={weights!r}: {graph.title}'s scores move by {moved:.3f} of the distance between the "
            f"best and the worst on this machine, and at most {most} is allowed: use float32 weights"
        )
    return moved


def _largest(gaps: npt.NDArray[Any]) -> float:
    """The largest of some differences; infinite where one is not finite."""
    largest = float(gaps.max())
    return largest if np.isfinite(largest) else float("inf")
