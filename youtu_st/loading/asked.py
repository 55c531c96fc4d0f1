"""What an export is asked for, whatever is exported."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from youtu_st.backends.graphs import Engine, Rounding
from youtu_st.backends.packages import onnx_runtime, package
from youtu_st.inputs import one_of
from youtu_st.spec.registry import is_directory

_PACKAGES: dict[Engine, str] = {"onnx": "onnxruntime", "openvino": "openvino"}


def engine_for(engine: Engine | None, weights: Rounding | None) -> Engine:
    """The engine that an export is for: what was asked for, or the first that is installed.

    Raises:
        InputError: If it is none, or ``weights`` are not what they may be.
        MissingDependencyError: If it is not installed.
    """
    chosen = installed_engine() if engine is None else engine
    one_of("engine", chosen, get_args(Engine))
    if chosen == "onnx":
        onnx_runtime()
    else:
        package(chosen)
    if weights is not None:
        one_of("weights", weights, get_args(Rounding))
    return chosen


def installed_engine() -> Engine:
    """The first engine that is installed; ``onnx`` where none is, so that its install line is told."""
    return next((engine for engine, package in _PACKAGES.items() if find_spec(package) is not None), "onnx")


def whole_name(checkpoint: str | Path | None) -> str | None:
    """Weights by a name that holds from any working directory."""
    if checkpoint is None:
        return None
    return str(Path(checkpoint).expanduser().resolve()) if is_directory(checkpoint) else str(checkpoint)
