"""An encoder and what is asked of it: vectors of a stream, of a list, and what one text is to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from youtu_st.engines.sending import Refused
from youtu_st.errors import EngineError, InputError, NonFiniteError, OutOfMemoryError, in_one_line
from youtu_st.inputs import check_texts
from youtu_st.protocol import TextEncoder, Vectors
from youtu_st.scale.settings import Task

BLOCK = 1024
"""Texts that an encoder is given together, where it reads the next ones meanwhile."""
ENGINE_BLOCK = 4096
"""Texts of one call where it does not: an engine's last requests leave it idle."""

_NUMBERED = re.compile(r"text \d+:? ")


class Counts(NamedTuple):
    """What an encoder has done so far, as far as it counts.

    Attributes:
        tokens: Tokens that went through the network.
        cut: Texts that were cut.
    """

    tokens: int
    cut: int


class Asked:
    """An encoder, asked for one task.

    Args:
        encoder: An :class:`~youtu_st.Encoder`, an engine, or another.
        task: Role, instruction and dimensions of all texts.
        together: Most texts that are encoded at once: those of a shard, so that what is lost by a kill is not
            many small ones.
    """

    def __init__(self, encoder: TextEncoder, task: Task, together: int = ENGINE_BLOCK) -> None:
        self.encoder: Any = encoder
        self._together = together
        self._role = task.role
        self._how: dict[str, Any] = {} if task.dimensions is None else {"dimensions": task.dimensions}
        self._instruction = {} if task.instruction is None else {"instruction": task.instruction}
        self.dimension = task.dimensions or encoder.dimension
        # What is encoded in streams has no instruction for documents.
        self._streams = hasattr(encoder, f"iter_encode_{task.role}") and (
            task.role == "query" or not self._instruction
        )

    def stream(self, texts: Iterable[str]) -> Iterator[Vectors]:
        """Blocks of vectors in the order of the texts; texts are read ahead, at most three blocks.

        Raises:
            Exception: As the encoder has it, when it comes to the text.
        """
        if self._streams:
            encode = getattr(self.encoder, f"iter_encode_{self._role}")
            yield from encode(texts, block_size=min(BLOCK, self._together), **self._instruction, **self._how)
            return
        remaining = iter(texts)
        while block := list(islice(remaining, min(ENGINE_BLOCK, self._together))):
            yield self.encode(block)

    def encode(self, texts: list[str]) -> Vectors:
        """Vectors of some texts, shape ``(len(texts), dimension)``, float32."""
        encode = getattr(self.encoder, f"encode_{self._role}")
        found: Vectors = np.asarray(encode(texts, **self._instruction, **self._how), dtype=np.float32)
        if found.shape != (len(texts), self.dimension):
            raise EngineError(
                f"{self.encoder.model_name} gave an array of {found.shape} for {len(texts)} texts, and "
                f"vectors of {self.dimension} are asked for"
            )
        return found

    @property
    def counts(self) -> Counts:
        """What it has done so far."""
        totals = getattr(self.encoder, "totals", None)
        if totals is not None:
            return Counts(totals.tokens, totals.cut_texts)
        return Counts(0, getattr(self.encoder, "cut_texts", 0))

    def cut_among(self, texts: list[str]) -> int | None:
        """How many of some texts are longer than the model reads; None: the encoder does not tell."""
        return self._read(texts).cut_texts if hasattr(self.encoder, "request") else None

    def objections(self, texts: list[str], *, first_only: bool) -> dict[int, str]:
        """Texts that the encoder would not take, as far as it tells without computing, and why."""
        found: dict[int, str] = {}
        for i, text in enumerate(texts):
            try:
                if hasattr(self.encoder, "request"):
                    self._read([text])
                else:
                    check_texts([text])
            except InputError as error:
                found[i] = reason(error)
                if first_only:
                    break
        return found

    def _read(self, texts: list[str]) -> Any:
        """Texts in tokens: the encoder's request."""
        for step in self.encoder.request(self._role, texts, **self._instruction, **self._how):
            request = step
        return request


def is_of_a_text(error: BaseException) -> bool:
    """Whether an encoder's error may be one text's fault, so that the others can be encoded without it."""
    if isinstance(error, EngineError):
        return isinstance(error.__cause__, Refused)
    return isinstance(error, InputError | NonFiniteError | OutOfMemoryError)


def reason(error: BaseException) -> str:
    """What is wrong with a text, fit to stand after its file and row."""
    return in_one_line("", _NUMBERED.sub("", str(error), count=1)).removeprefix(": ")
