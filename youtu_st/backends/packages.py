"""Engines' packages, imported without what they would report of it; no torch."""

from __future__ import annotations

import sys
from types import ModuleType

from youtu_st.backends.forks import Lock
from youtu_st.errors import require

_TELEMETRY = "openvino_telemetry"
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
