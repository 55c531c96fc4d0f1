"""The same encoder, somewhere else: behind `youtu-st serve`, an OpenAI-compatible server, or Tencent's API.

Both satisfy :class:`youtu_st.TextEncoder`, and so work wherever an :class:`youtu_st.Encoder` does. Neither
loads torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from youtu_st.engines.openai import OpenAICompatibleEncoder as OpenAICompatibleEncoder
    from youtu_st.engines.tencent import TencentCloudEncoder as TencentCloudEncoder

_HOME = {
    "OpenAICompatibleEncoder": "youtu_st.engines.openai",
    "TencentCloudEncoder": "youtu_st.engines.tencent",
}

__all__ = ["OpenAICompatibleEncoder", "TencentCloudEncoder"]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'youtu_st.engines' has no attribute {name!r}")
