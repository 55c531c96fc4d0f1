"""A graph that ONNX Runtime runs on the CPU; no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.backends.graphs.running import Features, Graph
from youtu_st.backends.packages import onnx_runtime

_SILENT = 4
"""Only what ends the process is written to the standard error: all else becomes an error of ours."""


class OnnxGraph(Graph):
    """``model.onnx`` in ONNX Runtime; see :class:`~youtu_st.backends.graphs.running.Graph`."""

    engine = "onnx"
    title = "ONNX Runtime"

    @property
    def versions(self) -> dict[str, str]:
        """``onnxruntime`` and its version."""
        return {"onnxruntime": onnx_runtime().__version__}

    def _load(self, threads: int) -> Any:
        runtime = onnx_runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = _SILENT
        # A plan of memory is kept for each shape of a batch, and of these there is no end.
        options.enable_mem_pattern = False
        # Weights that are stored as integers and computed in float32 are made so now, not for each batch.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        return runtime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])

    def _names(self, opened: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        inputs, outputs = opened.get_inputs(), opened.get_outputs()
        return tuple(port.name for port in inputs), tuple(port.name for port in outputs)

    def _run(self, opened: Any, features: Features, output: str) -> npt.NDArray[np.float32]:
        rows: npt.NDArray[np.float32] = opened.run([output], features)[0]
        return rows
