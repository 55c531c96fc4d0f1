"""An exported graph as a network: no torch, no transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from youtu_st.inference.network import Network
from youtu_st.inference.outputs import Features, Output, Rows, VectorOutput


class GraphNetwork(Network):
    """A graph with pooling and normalisation inside.

    Args:
        graph: What runs it: ``run`` takes the features, and gives unit rows or scores.
        runtime: How it runs.
    """

    def __init__(self, graph: Any, runtime: Mapping[str, str]) -> None:
        super().__init__()
        self._graph = graph
        self._runtime = dict(runtime)

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._runtime["device"]

    @property
    def runtime(self) -> Mapping[str, str]:
        """``backend``, ``dtype``, ``device``, and ``weights`` where they are rounded."""
        return self._runtime

    def _rows(self, output: Output, features: Features) -> Rows:
        taken = {name: features[name] for name in self._graph.inputs if name in features}
        for name in self._graph.inputs:
            if name not in taken:  # segments of a tokenizer that gives none
                taken[name] = np.zeros_like(features["input_ids"])
        rows: Rows = self._graph.run(taken)
        if not isinstance(output, VectorOutput) or rows.shape[1] == output.shape[0]:
            return rows
        cut = rows[:, : output.shape[0]]
        lengths = np.linalg.norm(cut, axis=1, keepdims=True)
        return np.asarray(cut / np.maximum(lengths, 1e-12), dtype=np.float32)
