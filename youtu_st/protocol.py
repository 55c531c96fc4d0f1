"""The shape of an encoder: what an index, an adapter or a command asks for, and no more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Role = Literal["query", "document"]

Vectors = npt.NDArray[np.float32]
"""Rows of unit length, shape ``(n, dimension)``, float32."""

Scores = npt.NDArray[np.float32]
"""How well each document answers its query, shape ``(n,)``, float32; higher is better."""


@runtime_checkable
class TextEncoder(Protocol):
    """Anything that turns texts into unit vectors: :class:`youtu_st.Encoder`, or an engine elsewhere."""

    @property
    def model_name(self) -> str:
        """What to pass to get this encoder again: a name, a directory or a hub id."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def fingerprint(self) -> str:
        """Short and stable; equal exactly where vectors mean the same."""

    @property
    def identity(self) -> Mapping[str, str]:
        """The named parts that the fingerprint is made of, for messages that say what differs."""

    @property
    def runtime(self) -> Mapping[str, str]:
        """How it runs (``dtype``, ``device``, ``backend``): changes a vector's last digits only."""

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode queries. Shape ``(len(texts), dimension)``, unit rows, input order.

        ``instruction``: None is the model's own, ``""`` is none, anything else goes through its template.
        """

    def encode_document(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode documents. Otherwise as :meth:`encode_query`."""


SPLIT = "split_special_tokens"
"""The part of an identity, and the setting, with which special tokens in texts are read as characters."""


def settings_of(identity: Mapping[str, str]) -> dict[str, bool]:
    """What an encoder has to be told, beside its model's name, to have an identity."""
    return {SPLIT: True} if identity.get(SPLIT) == "true" else {}


def canonical(value: Any) -> str:
    """JSON that is the same for equal values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def digest(data: bytes) -> str:
    """Sixteen hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()[:16]


def fingerprint(parts: Mapping[str, str]) -> str:
    """Sixteen hexadecimal digits over an encoder's ``identity``."""
    return digest(canonical(dict(parts)).encode())
