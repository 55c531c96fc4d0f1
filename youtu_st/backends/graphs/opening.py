"""The graph in a directory, opened by its engine; no torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from youtu_st.backends.graphs import FILES, Engine
from youtu_st.backends.graphs.onnx import OnnxGraph, check_cuda
from youtu_st.backends.graphs.openvino import OpenVINOGraph
from youtu_st.backends.graphs.running import Graph
from youtu_st.errors import InputError, ModelLoadError
from youtu_st.inputs import one_of


def open_graph(
    engine: Engine,
    folder: str | Path,
    *,
    threads: int | None = None,
    device: str | None = None,
    dtype: str = "float32",
) -> Graph:
    """Open what :func:`~youtu_st.backends.graphs.making.make_graph` wrote.

    Args:
        engine: Which one it was made for.
        folder: Where.
        threads: To compute in; None: all cores that this process may use.
        device: ``cpu``, which None stands for; with ``onnx``, ``cuda``, ``cuda:1``, ... too.
        dtype: What to compute in: ``float32``; with ``openvino``, any of
            :func:`~youtu_st.backends.graphs.openvino.native_dtypes`.

    Raises:
        ModelLoadError: If it is absent or damaged, or the engine does not run on the device, or in the dtype.
        MissingDependencyError: If the engine is not installed.
        InputError: If ``engine``, ``threads`` or ``device`` is not what it may be.
    """
    one_of("engine", engine, get_args(Engine))
    check_device(engine, device)
    path = Path(folder) / FILES[engine]
    if engine == "openvino":
        return OpenVINOGraph(path, threads=threads, dtype=dtype)
    return OnnxGraph(path, threads=threads, device=device or "cpu")


def check_device(engine: Engine, device: str | None) -> None:
    """Raise for a device that an engine cannot run on, as far as it can be told without a graph.

    Raises:
        InputError: If it is none of the devices that a graph may run on.
        ModelLoadError: If the engine, as it is installed, does not run there.
        MissingDependencyError: If the engine is not installed.
    """
    if device is None:  # the processor
        return
    if not isinstance(device, str) or re.fullmatch(r"cpu|cuda(:\d{1,3})?", device) is None:
        raise InputError(f"a graph runs on device cpu, cuda, cuda:1 or the like, not on {device!r:.60}")
    if device == "cpu":
        return
    if engine != "onnx":
        raise ModelLoadError(f"backend {engine!r} runs on the cpu, not on {device!r}")
    check_cuda(device)
