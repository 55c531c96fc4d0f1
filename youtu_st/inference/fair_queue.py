"""FairQueue: what waits for the network, in the order in which each caller has had the least of it. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import NamedTuple

from youtu_st.errors import QueueFullError, RequestTooLargeError
from youtu_st.inference.batches import Group
from youtu_st.inference.requests import Lane, Piece, Request

LOOK_AHEAD = 2
"""Batches' worth of tokens among which a batch finds texts of similar length."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes through a network together.

    Attributes:
        lane: The model.
        pieces: The texts.
        group: How, with the positions of ``pieces``.
    """

    lane: Lane
    pieces: list[Piece]
    group: Group


class _Place(NamedTuple):
    """Where a request stands in the order."""

    start: float
    served: int
    number: int
    request: Request


class FairQueue:
    """Requests of any size and of several models, fair by tokens, bounded by tokens.

    Of ``n`` requests that wait, each gets every n-th token: the queue has a clock that goes on by the tokens
    of a batch over ``n``; a request comes in at what the clock says, and moves on by the tokens that it gets.
    The next batch is that of the request which is furthest behind, with whatever else of the same model is
    of similar length. So a question goes before the rest of a corpus that came earlier, and that rest comes
    to its turn however many questions follow (Parekh and Gallager's generalized processor sharing, by start
    times as in Goyal, Vin and Cheng, 1996).

    Args:
        limit: Tokens that may wait; None: any number.

    Attributes:
        tokens: Tokens that wait.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.tokens = 0
        self._order: list[_Place] = []
        self._places: dict[Request, _Place] = {}
        self._clock = 0.0
        self._number = 0

    def __len__(self) -> int:
        """Requests that wait."""
        return len(self._order)

    def check_room(self, tokens: int, *, others: int = 0) -> None:
        """Raise unless a request of so many tokens may come in.

        Args:
            tokens: Of the request.
            others: Tokens that are about to come in before it.

        Raises:
            RequestTooLargeError: If the empty queue could not hold it.
            QueueFullError: If it does not fit now.
        """
        if self.limit is None:
            return
        if tokens > self.limit:
            raise RequestTooLargeError(tokens, self.limit)
        if self.tokens + others + tokens > self.limit:
            raise QueueFullError(tokens, self.tokens + others, self.limit)

    def add(self, request: Request) -> None:
        """Take in a request.

        Raises:
            YoutuError: As for :meth:`check_room`.
        """
        self.check_room(request.tokens)
        self.tokens += request.tokens
        self._number += 1
        self._put(_Place(self._clock, 0, self._number, request))

    def discard(self, request: Request) -> int:
        """Forget what is left of a request.

        Returns:
            How many of its texts were in no batch yet.
        """
        place = self._places.pop(request, None)
        if place is None:
            return 0
        self._drop(place)
        self.tokens -= sum(request.left.values())
        left = len(request.left)
        request.left.clear()
        return left

    def take(self) -> Batch | None:
        """The next batch; None: nothing waits."""
        if not self._order:
            return None
        lane = self._order[0].request.lane
        pieces = self._candidates(lane)
        group = next(group for group in lane.plan(pieces) if 0 in group.positions)
        taken = [pieces[i] for i in group.positions]
        self._charge(taken)
        return Batch(lane, taken, Group(list(range(len(taken))), group.shared, group.padded))

    def _candidates(self, lane: Lane) -> list[Piece]:
        """What is next in the order: some batches' worth of one model."""
        pieces, budget = [], LOOK_AHEAD * lane.batch_tokens
        for place in self._order:
            if place.request.lane is lane:
                for i, tokens in place.request.left.items():
                    pieces.append(Piece(place.request, i))
                    budget -= tokens
                    if budget <= 0:
                        return pieces
        return pieces

    def _charge(self, taken: list[Piece]) -> None:
        waiting, had = len(self._order), dict[Request, int]()
        for request, i in taken:
            had[request] = had.get(request, 0) + request.left.pop(i)
        for request, tokens in had.items():
            place = self._places.pop(request)
            self._drop(place)
            if request.left:
                self._put(_Place(place.start + tokens, place.served + tokens, place.number, request))
        total = sum(had.values())
        self.tokens -= total
        self._clock += total / waiting

    def _drop(self, place: _Place) -> None:
        del self._order[bisect_left(self._order, place)]

    def _put(self, place: _Place) -> None:
        self._places[place.request] = place
        insort(self._order, place)
