"""Several fine-tuned checkpoints of one model made one, a tensor at a time."""

from __future__ import annotations

from youtu_st.training.fusion.fuse import fuse
from youtu_st.training.fusion.methods import METHODS

__all__ = ["METHODS", "fuse"]
