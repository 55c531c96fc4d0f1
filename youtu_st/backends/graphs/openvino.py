"""A graph that OpenVINO runs on the CPU; no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.backends.graphs.running import Features, Graph
from youtu_st.backends.packages import package
from youtu_st.disk import open_plain

_BEGIN = b"<?xml"
_NOTHING = np.finfo(np.float32).min
"""What no number of a unit vector is, and no score."""

# Left alone, it takes bfloat16 where the CPU has it, and int8 activations beside int8 weights.
EXACT = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, "PERFORMANCE_HINT": "LATENCY"}


class OpenVINOGraph(Graph):
    """``model.xml`` in OpenVINO; see :class:`~youtu_st.backends.graphs.running.Graph`."""

    engine = "openvino"
    title = "OpenVINO"

    @property
    def versions(self) -> dict[str, str]:
        """``openvino`` and its version."""
        return {"openvino": package("openvino").__version__}

    def _load(self, threads: int) -> Any:
        with open_plain(self.path) as file:
            if not file.read(len(_BEGIN)).startswith(_BEGIN):  # every other format would be tried
                raise ValueError("it does not begin as a graph does")
        settings = {**EXACT, "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        return package("openvino").Core().compile_model(self.path, "CPU", settings).create_infer_request()

    def _names(self, opened: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        names = [
            tuple(name for port in ports for name in port.get_names())
            for ports in (opened.model_inputs, opened.model_outputs)
        ]
        return names[0], names[1]

    def _run(self, opened: Any, features: Features, output: str) -> npt.NDArray[np.float32]:
        # Where memory runs out, it may raise nothing and give what the batch before has left there.
        opened.get_tensor(output).data[:] = _NOTHING
        rows: npt.NDArray[np.float32] = opened.infer(features)[output]
        if len(rows) != len(features["input_ids"]) or _NOTHING in rows.reshape(len(rows), -1)[:, 0]:
            raise MemoryError("it gave no rows, for which there was not enough memory")
        return rows
