"""Does a model do what is known about it, and does a server give its vectors?

Names are imported on first use: :func:`compare` needs no torch where both encoders run elsewhere.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from youtu_st.verification.comparison import Comparison as Comparison
    from youtu_st.verification.comparison import compare as compare
    from youtu_st.verification.doctor import Examination as Examination
    from youtu_st.verification.doctor import examine as examine
    from youtu_st.verification.finding import Finding as Finding
    from youtu_st.verification.published import run_examples as run_examples
    from youtu_st.verification.published import run_figures as run_figures

_HOME = {
    "Comparison": "comparison",
    "Examination": "doctor",
    "Finding": "finding",
    "compare": "comparison",
    "examine": "doctor",
    "run_examples": "published",
    "run_figures": "published",
}

__all__ = ["Comparison", "Examination", "Finding", "compare", "examine", "run_examples", "run_figures"]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"youtu_st.verification.{_HOME[name]}"), name)
    raise AttributeError(f"module 'youtu_st.verification' has no attribute {name!r}")
