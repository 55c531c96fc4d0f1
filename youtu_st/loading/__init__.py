"""Spec and checkpoint to a model, and one object per process and settings."""

from __future__ import annotations

from youtu_st.loading.load import convert, load

__all__ = ["convert", "load"]
