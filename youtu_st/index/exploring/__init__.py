"""The passages of an index, made to be looked at."""

from __future__ import annotations

from youtu_st.index.exploring.page import page

__all__ = ["page"]
