"""The graph in a directory, opened by its engine; no torch."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from youtu_st.backends.graphs import FILES, Engine
from youtu_st.backends.graphs.onnx import OnnxGraph
from youtu_st.backends.graphs.openvino import OpenVINOGraph
from youtu_st.backends.graphs.running import Graph
from youtu_st.inputs import one_of


def open_graph(
    engine: Engine, folder: str | Path, *, threads: int | None = None, dtype: str = "float32"
) -> Graph:
    """Open what :func:`~youtu_st.backends.graphs.making.make_graph` wrote.

    Args:
        engine: Which one it was made for.
        folder: Where.
        threads: To compute in; None: all cores that this process may use.
        dtype: What to compute in, where the engine is ``openvino``: one of
            :func:`~youtu_st.backends.graphs.openvino.native_dtypes`.

    Raises:
        ModelLoadError: If it is absent or damaged, or the processor does not compute ``dtype``.
        MissingDependencyError: If the engine is not installed.
        InputError: If ``engine`` or ``threads`` is not what it may be.
    """
    one_of("engine", engine, get_args(Engine))
    path = Path(folder) / FILES[engine]
    if engine == "openvino":
        return OpenVINOGraph(path, threads=threads, dtype=dtype)
    return OnnxGraph(path, threads=threads)
