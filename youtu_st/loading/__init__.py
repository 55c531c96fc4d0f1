"""Spec and checkpoint to a model, and one object per process and settings.

Names are imported on first use: what was exported of a model opens without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from youtu_st.loading.loader import convert as convert
    from youtu_st.loading.loader import load as load

_HOME = {"convert": "loader", "load": "loader"}

__all__ = ["convert", "load"]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"youtu_st.loading.{_HOME[name]}"), name)
    raise AttributeError(f"module 'youtu_st.loading' has no attribute {name!r}")
