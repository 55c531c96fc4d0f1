"""A small, honest TextEncoder: unit vectors made from a hash of the text, moved a little by the role."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]


def _each(instruction: str | Sequence[str | None] | None, count: int) -> Sequence[str | None]:
    return [instruction] * count if instruction is None or isinstance(instruction, str) else instruction


class TinyEncoder:
    """Equal texts have equal vectors; a query's vector is close to that of the same text as a document."""

    def __init__(
        self,
        dimension: int = 16,
        *,
        name: str = "tiny",
        pooling: str = "hash",
        runtime: Mapping[str, str] | None = None,
        noise: float = 0.0,
    ) -> None:
        self.model_name = name
        self.dimension = dimension
        self.identity: dict[str, str] = {"weights": name, "pooling": pooling}
        self.fingerprint = hashlib.sha256(repr(self.identity).encode()).hexdigest()[:12]
        self.runtime: dict[str, str] = dict(
            runtime or {"dtype": "float32", "device": "cpu", "backend": "numpy"}
        )
        self.noise = noise
        self.encoded: list[str] = []

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        show_progress: bool = False,
    ) -> Matrix:
        return self._encode(texts, [f"query:{one}" for one in _each(instruction, len(texts))])

    def encode_document(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        show_progress: bool = False,
    ) -> Matrix:
        roles = ["document" if one is None else f"document:{one}" for one in _each(instruction, len(texts))]
        return self._encode(texts, roles)

    def _encode(self, texts: Sequence[str], roles: Sequence[str]) -> Matrix:
        self.encoded.extend(texts)
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text, role in zip(rows, texts, roles, strict=True):
            base = self._unit(text) + 0.1 * self._unit(role)
            base /= np.linalg.norm(base)
            if self.noise:  # exactly this cosine to the vector without noise
                other = self._unit("noise" + text + role)
                other -= (other @ base) * base
                cosine = 1 - self.noise
                base = cosine * base + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
            row[:] = base
        return rows

    def _unit(self, text: str) -> npt.NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        vector = np.random.default_rng(seed).standard_normal(self.dimension)
        return vector / np.linalg.norm(vector)
