"""Rows of files: which there are, how they are cut into shards, and how a shard's are read."""

from __future__ import annotations

from youtu_st.errors import require

require("pyarrow", "scale")  # nothing in here works without; whoever has not installed it is told how
