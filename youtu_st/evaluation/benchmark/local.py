"""mteb's tasks over data that lies here: no hub is asked, and the data's digest stands for its revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from youtu_st.errors import InputError

KNOWN: Mapping[str, tuple[str, ...]] = {
    "scifact": ("SciFact",),
    "stsbenchmark": ("STSBenchmark",),
    "banking77": ("Banking77Classification",),
    "xquad": ("XQuADRetrieval",),
}
"""Folders that go by a name of their own, and the tasks over them."""
