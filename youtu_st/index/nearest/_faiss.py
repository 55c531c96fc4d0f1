"""FAISS without types: the stubs that come with it cover a part of it only."""

from __future__ import annotations

import importlib
from typing import Any

faiss: Any = importlib.import_module("faiss")
