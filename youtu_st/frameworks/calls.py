"""Any other encoder in the scheduler: one whose tokens nobody knows, such as an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from youtu_st.inference.batches import Group
from youtu_st.inference.requests import Found, Piece, Request
from youtu_st.inference.unique import Unique
from youtu_st.protocol import Role, Vectors

TEXTS_AT_ONCE = 256
"""Texts of one call to the encoder; a call of more goes in parts, and others' between them."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that counts as one, as its tokens are not known."""

    text: str

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class _Call:
    """What a call asks for: only equal ones share a call of the encoder."""

    role: Role
    instruction: str | None
    shape: tuple[int]


class CallLane:
    """An encoder that is called: ``encode(role, texts, instruction)`` gives one row per text.

    Args:
        encode: The encoder.
        dimension: Length of a vector.
        most: Texts of one call.
    """

    name = "encoder"

    def __init__(
        self,
        encode: Callable[[Role, list[str], str | None], Vectors],
        dimension: int,
        *,
        most: int = TEXTS_AT_ONCE,
    ) -> None:
        self._encode = encode
        self._dimension = dimension
        self.batch_tokens = most

    def request(self, role: Role, texts: Sequence[str], instruction: str | None) -> Request:
        """A call for the scheduler; texts that come twice are the encoder's affair."""
        positions = list(range(len(texts)))
        unique = Unique(list(texts), [""] * len(texts), positions, [1] * len(texts), None)
        return Request(
            self, unique, [_Text(text) for text in texts], _Call(role, instruction, (self._dimension,))
        )

    def plan(self, pieces: Sequence[Piece]) -> list[Group]:
        """Those of one role and instruction, so many at a time."""
        alike: dict[_Call, list[int]] = {}
        for i, piece in enumerate(pieces):
            alike.setdefault(piece.request.output, []).append(i)
        most = self.batch_tokens
        return [Group(same[at : at + most]) for same in alike.values() for at in range(0, len(same), most)]

    def run(self, pieces: Sequence[Piece], group: Group) -> list[Found]:
        """The rows that the encoder gives."""
        call: _Call = pieces[0].request.output
        return list(self._encode(call.role, [piece.row.text for piece in pieces], call.instruction))
