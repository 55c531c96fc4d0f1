"""A graph that OpenVINO runs on the CPU; no torch."""

from __future__ import annotations

from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from youtu_st.backends.graphs.running import Features, Graph
from youtu_st.backends.packages import package
from youtu_st.disk import open_plain
from youtu_st.errors import ModelLoadError

_BEGIN = b"<?xml"
_NOTHING = np.finfo(np.float32).min
"""What no number of a unit vector is, and no score."""

PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_CAPABILITIES = {"bfloat16": "BF16", "float16": "FP16"}

# Left alone, it takes bfloat16 where the CPU has it, and int8 activations beside int8 weights.
EXACT = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, "PERFORMANCE_HINT": "LATENCY"}


@cache
def native_dtypes() -> tuple[str, ...]:
    """The dtypes that OpenVINO computes natively on this CPU; float32 is always the first.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    offered = package("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "float32", *(dtype for dtype, name in _CAPABILITIES.items() if name in offered)


def dtype_for(asked: str, stored: str = "float32") -> str:
    """What to compute in.

    Args:
        asked: ``auto``, ``checkpoint``, or a dtype's name.
        stored: The checkpoint's own dtype.

    Raises:
        ModelLoadError: If OpenVINO does not compute that natively here: it would run float32 and not say so.
        MissingDependencyError: If it is not installed.
    """
    wanted = stored if asked in ("auto", "checkpoint") else asked
    natively = native_dtypes()
    if wanted in natively:
        return wanted
    if asked == "auto":
        return "float32"
    raise ModelLoadError(
        f"dtype {wanted}: OpenVINO computes {', '.join(natively)} natively on this CPU; "
        "use dtype='float32' or dtype='auto'"
    )


class OpenVINOGraph(Graph):
    """``model.xml`` in OpenVINO; see :class:`~youtu_st.backends.graphs.running.Graph`.

    Args:
        path: As there.
        threads: As there.
        dtype: What the network computes in, one of :func:`native_dtypes`; pooling, normalisation and vectors
            are float32 in any case.

    Raises:
        ModelLoadError: As there; or if OpenVINO does not compute ``dtype`` natively here.
    """

    engine = "openvino"
    title = "OpenVINO"

    def __init__(self, path: str | Path, *, threads: int | None = None, dtype: str = "float32") -> None:
        self.dtype = dtype_for(dtype)
        super().__init__(path, threads=threads)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(OpenVINOGraph, threads=self._threads, dtype=self.dtype), (self.path,)

    @property
    def exact(self) -> Graph:
        """The same graph in float32."""
        return self if self.dtype == "float32" else self._in_float32

    @cached_property
    def _in_float32(self) -> Graph:
        return OpenVINOGraph(self.path, threads=self._threads)

    @property
    def versions(self) -> dict[str, str]:
        """``openvino`` and its version."""
        return {"openvino": package("openvino").__version__}

    def _load(self, threads: int) -> Any:
        with open_plain(self.path) as file:
            if not file.read(len(_BEGIN)).startswith(_BEGIN):  # every other format would be tried
                raise ValueError("it does not begin as a graph does")
        precision = PRECISIONS[self.dtype]
        settings = {**EXACT, "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
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
