"""What the tests of the doctor break, and how."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Tiny:
    """A spec's file, its raw checkpoint, and the directory that ``convert`` made of both."""

    spec: Path
    raw: Path
    saved: Path


def edit(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
