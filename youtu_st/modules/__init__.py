"""Text to masked tokens to one vector: the modules that ``modules.json`` names.

Names are imported on first use: parts of this room, such as the mask, are pure.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from youtu_st.modules.pooling import InstructionMaskedPooling as InstructionMaskedPooling
    from youtu_st.modules.transformer import InstructionTransformer as InstructionTransformer

_HOME = {"InstructionMaskedPooling": "pooling", "InstructionTransformer": "transformer"}

__all__ = ["InstructionMaskedPooling", "InstructionTransformer"]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"youtu_st.modules.{_HOME[name]}"), name)
    raise AttributeError(f"module 'youtu_st.modules' has no attribute {name!r}")
