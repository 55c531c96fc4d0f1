"""A graph that ONNX Runtime runs, on the processor or on a card of NVIDIA's; no torch."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.backends.graphs.running import Features, Graph
from youtu_st.backends.packages import onnx_runtime
from youtu_st.errors import ModelLoadError, in_one_line

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# Left alone, it rounds the factors of products to ten bits, and doubles its memory each time it runs out.
_EXACT = {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
_WARNING, _SILENT = 2, 4  # the first is what it has of itself
"""Only what ends the process is written to the standard error: all else becomes an error of ours."""


def check_cuda(device: str) -> None:
    """Raise unless the ONNX Runtime that is installed knows CUDA; whether there is a card is not asked.

    Args:
        device: For the message.

    Raises:
        ModelLoadError: Saying what to install.
        MissingDependencyError: If there is no ONNX Runtime.
    """
    if _CUDA not in onnx_runtime().get_available_providers():
        raise ModelLoadError(
            f"this onnxruntime has no CUDA: for device={device!r} replace it, with "
            "'pip uninstall onnxruntime' and then 'pip install onnxruntime-gpu[cuda,cudnn]'"
        )


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
        if self.device == "cpu":
            return runtime.InferenceSession(str(self.path), options, providers=[_CPU])
        return self._load_on_cuda(runtime, options)

    def _load_on_cuda(self, runtime: ModuleType, options: Any) -> Any:
        check_cuda(self.device)
        try:
            with redirect_stdout(io.StringIO()):  # it prints what it does not find
                runtime.preload_dlls()  # those of NVIDIA's own packages
            number = self.device.partition(":")[2] or "0"
            chosen = [(_CUDA, {"device_id": number, **_EXACT})]
            runtime.set_default_logger_severity(_SILENT)  # it warns of every provider that is no plug-in
            try:
                opened = runtime.InferenceSession(str(self.path), options, providers=chosen)
            finally:
                runtime.set_default_logger_severity(_WARNING)
        except Exception as error:
            raise ModelLoadError(in_one_line(f"ONNX Runtime cannot use {self.device}", error)) from error
        if _CUDA not in opened.get_providers():  # it takes the processor instead, and only logs why
            raise ModelLoadError(
                f"ONNX Runtime cannot use {self.device}: there is no such card, or CUDA's and cuDNN's "
                "libraries are not those that it was built for ('pip install onnxruntime-gpu[cuda,cudnn]')"
            )
        return opened

    def _names(self, opened: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        inputs, outputs = opened.get_inputs(), opened.get_outputs()
        return tuple(port.name for port in inputs), tuple(port.name for port in outputs)

    def _run(self, opened: Any, features: Features, output: str) -> npt.NDArray[np.float32]:
        rows: npt.NDArray[np.float32] = opened.run([output], features)[0]
        return rows
