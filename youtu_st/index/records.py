"""Records: what frameworks keep in metadata for themselves, under keys such as ``__llama_index__``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_record(key: str) -> bool:
    """Whether a metadata key is a framework's own: a name between two and two underscores."""
    return len(key) > 4 and key.startswith("__") and key.endswith("__")


def without_records(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A document's metadata without what frameworks keep in it for themselves."""
    return {key: value for key, value in metadata.items() if not is_record(key)}
