"""Short, stable digests: what fingerprints are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical(value: Any) -> str:
    """JSON that is the same for equal values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def digest(data: bytes) -> str:
    """Sixteen hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()[:16]


def fingerprint(parts: Mapping[str, str]) -> str:
    """Sixteen hexadecimal digits over an encoder's ``identity``."""
    return digest(canonical(dict(parts)).encode())
