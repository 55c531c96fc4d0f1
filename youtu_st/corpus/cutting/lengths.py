"""How long an index's passages are: as it was built, or else as its model reads best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from youtu_st.corpus.cutting.passages import check_overlap, former_tokens, passage_tokens
from youtu_st.errors import InputError

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder

_TOKENS, _OVERLAP = "chunk_tokens", "overlap"


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long passages are.

    Attributes:
        tokens: Most tokens of one.
        overlap: Most tokens that it has in common with the one before.
    """

    tokens: int
    overlap: int = 0

    @classmethod
    def choose(
        cls,
        encoder: Encoder,
        tokens: int | None = None,
        overlap: int | None = None,
        *,
        kept: Mapping[str, int] | None = None,
    ) -> Lengths:
        """What is asked for, or else what an index was built with, or else the default.

        Args:
            encoder: The encoder.
            tokens: Most tokens of a passage. None: nobody asks for anything else.
            overlap: Likewise.
            kept: The settings of an index that is brought up to date, see :attr:`settings`; empty for one of
                a release that kept none, whose passages were as long as the model reads. None: a new index.

        Raises:
            InputError: If the model does not read so many tokens, or the overlap is not less than them.
        """
        before = cls._before(encoder, kept)
        chosen = before.tokens if tokens is None else passage_tokens(encoder, tokens)
        if overlap is None and before.overlap >= chosen:
            raise InputError(
                f"passages of {chosen} tokens cannot overlap by {before.overlap}, as those of this index do: "
                "say an overlap that is less"
            )
        overlap = before.overlap if overlap is None else overlap
        return cls(chosen, check_overlap("the overlap of passages", overlap, chosen))

    @classmethod
    def _before(cls, encoder: Encoder, kept: Mapping[str, int] | None) -> Lengths:
        if kept is None:
            return cls(passage_tokens(encoder))
        if _TOKENS not in kept:
            return cls(former_tokens(encoder))
        return cls(passage_tokens(encoder, kept[_TOKENS]), kept.get(_OVERLAP, 0))

    @property
    def settings(self) -> dict[str, int]:
        """For :meth:`youtu_st.index.VectorIndex.remember`."""
        return {_TOKENS: self.tokens, _OVERLAP: self.overlap}
