"""Vectors from one store into another."""

from __future__ import annotations

from youtu_st.scale.copying.copying import copy_rows
from youtu_st.scale.copying.proof import Proof

__all__ = ["Proof", "copy_rows"]
