"""What callers hand in: a host's own object, told without importing the host."""

from __future__ import annotations

import sys
from typing import Literal


def is_hosts(value: object, kind: Literal["SentenceTransformer", "CrossEncoder"]) -> bool:
    """Whether something is a model of sentence-transformers: there is none before that is imported."""
    host = getattr(sys.modules.get("sentence_transformers"), kind, None)
    return host is not None and isinstance(value, host)
