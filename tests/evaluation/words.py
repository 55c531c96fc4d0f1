"""An encoder of words for tests of what stands around encoders: fast, exact, and no model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from youtu_st.errors import InputError
from youtu_st.protocol import Role, Vectors, fingerprint

DIMENSION = 48


class WordEncoder:
    """The sum of a fixed random vector for each word, and for the prompt before the text.

    Args:
        name: Part of its identity.
        broken: A text that holds this word gets a vector that is not finite.
        stop_after: Raise ``KeyboardInterrupt`` at the call after so many.
        runtime: How it is said to run.
    """

    model_name = "words"
    dimension = DIMENSION

    def __init__(
        self,
        name: str = "words",
        broken: str | None = None,
        stop_after: int | None = None,
        runtime: Mapping[str, str] | None = None,
    ) -> None:
        self.runtime: Mapping[str, str] = {
            "backend": "none",
            "dtype": "float32",
            "device": "cpu",
            **(runtime or {}),
        }
        self.identity = {"weights": name, "dimension": str(DIMENSION)}
        self.fingerprint = fingerprint(self.identity)
        self.broken, self.stop_after = broken, stop_after
        self.encoded: list[tuple[Role, str | None, str]] = []
        self._calls = 0

    def encode_query(
        self, texts: Sequence[str], *, instruction: str | None = None, show_progress: bool = False
    ) -> Vectors:
        return self._encode("query", texts, instruction)

    def encode_document(
        self, texts: Sequence[str], *, instruction: str | None = None, show_progress: bool = False
    ) -> Vectors:
        return self._encode("document", texts, instruction)

    def _encode(self, role: Role, texts: Sequence[str], instruction: str | None) -> Vectors:
        if self.stop_after is not None and self._calls >= self.stop_after:
            raise KeyboardInterrupt
        self._calls += 1
        if any(not text.strip() for text in texts):
            raise InputError("a text is blank")
        self.encoded += [(role, instruction, text) for text in texts]
        return np.stack([vector(f"{instruction or ''} {text}", self.broken) for text in texts])


def vector(text: str, broken: str | None = None) -> Vectors:
    words = text.split()
    whole = np.sum([_word(word) for word in words], axis=0, dtype=np.float64)
    if broken is not None and broken in words:
        whole[0] = np.nan
    return (whole / np.linalg.norm(whole)).astype(np.float32)


def _word(word: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=DIMENSION)
