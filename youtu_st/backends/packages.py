"""Engines' packages, imported without what they would report of it; no torch."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from youtu_st.backends.forks import Lock
from youtu_st.errors import require

_TELEMETRY = "openvino_telemetry"
_OFF = "ORT_DISABLE_TELEMETRY"
_importing = Lock()


def package(name: str) -> ModuleType:
    """Import ``openvino`` or ``nncf``, without the telemetry that both start when they are imported.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    with _importing.now:
        if name in sys.modules or _TELEMETRY in sys.modules:  # the program around us has made its own choice
            return require(name, "openvino")
        # Neither has a setting to ask, but both report nothing where that package is absent. None is what
        # Python's import system defines to make it so.
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
        try:
            return require(name, "openvino")
        finally:
            del sys.modules[_TELEMETRY]


def onnx_runtime() -> ModuleType:
    """Import ``onnxruntime``, without the telemetry that its builds from 1.29 on start when it is imported.

    A thread of its own sends that, for which a forked child would wait at its end.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    with _importing.now:
        if "onnxruntime" in sys.modules or _OFF in os.environ:  # the program around us has made its choice
            return require("onnxruntime", "onnx")
        os.environ[_OFF] = "1"  # read once, while it is imported
        try:
            return require("onnxruntime", "onnx")
        finally:
            del os.environ[_OFF]
