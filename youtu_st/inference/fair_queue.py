"""FairQueue: what waits for the network, in the order in which each caller has had the least of it. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain
from math import inf
from typing import NamedTuple

from youtu_st.errors import QueueFullError, RequestTooLargeError
from youtu_st.inference.batches import Group
from youtu_st.inference.requests import Lane, Piece, Request

LOOK_AHEAD = 2
"""Batches' worth of tokens among which a batch finds texts of similar length."""

SHORT_SHARE = 8
"""What has at most this part of a batch's tokens is a question."""


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
    """Where a request stands in the order.

    Attributes:
        rank: Tokens that it has had, counted from the one that was first when it came; and twice what it gets
            next, unless that is short. As two that wait differ by a batch or so in what they have had, a
            question is before all corpora, and questions among themselves go in the order in which they came.
        number: In the order in which they came.
        request: The request.
        had: Tokens that it has had, counted as for ``rank``.
        due: What the clock says when it goes first whatever its rank; a question is before all others anyway.
    """

    rank: float
    number: int
    request: Request
    had: float
    due: float


class FairQueue:
    """Requests of any size and of several models, fair by tokens, bounded by tokens.

    The next batch is that of the request which has had the fewest tokens, with whatever else of the same
    model is of similar length. One that comes stands level with the first. So those that wait side by side
    get equal shares, and a question goes before the rest of all corpora that came earlier. Questions go in
    rounds, so that one of a rare length is not passed by the many that come later. But where so many
    questions come that each batch has some, one who has got nothing while two batches' worth of his share
    went by goes first: nobody gets less than half of it.

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
        self._due: list[tuple[float, int, _Place]] = []
        self._clock = 0.0  # tokens that each would have had, if all of them had always had the same
        self._number = 0
        self._round = 0  # the last of those that are served before whoever comes now

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
        self._put(request, self._number, self._order[0].had if self._order else 0.0)

    def discard(self, request: Request) -> int:
        """Forget what is left of a request.

        Returns:
            How many of its texts were in no batch yet.
        """
        if request not in self._places:
            return 0
        self._pull(request)
        self.tokens -= sum(request.left.values())
        left = len(request.left)
        request.left.clear()
        return left

    def take(self) -> Batch | None:
        """The next batch; None: nothing waits."""
        if not self._order:
            return None
        first = self._first()
        if self._places[first].number > self._round:
            self._round = self._number
        pieces = self._candidates(first)
        group = next(group for group in first.lane.plan(pieces) if 0 in group.positions)
        taken = [pieces[i] for i in group.positions]
        self._charge(taken)
        return Batch(first.lane, taken, Group(list(range(len(taken))), group.shared, group.padded))

    def _first(self) -> Request:
        """Whose turn it is."""
        while self._due and self._places.get(self._due[0][2].request) is not self._due[0][2]:
            heappop(self._due)  # has had a batch since, or is gone
        if self._due and self._due[0][0] <= self._clock:
            return self._due[0][2].request
        return self._order[0].request

    def _candidates(self, first: Request) -> list[Piece]:
        """Some batches' worth of one model: what is left of a request, and what is next in the order."""
        pieces, budget = [], LOOK_AHEAD * first.lane.batch_tokens
        # Not those that came since: of similar length, they would pass questions that are older.
        others = (
            place.request
            for place in self._order
            if place.request is not first and place.number <= self._round
        )
        for request in chain([first], others):
            if request.lane is first.lane:
                for i, tokens in request.left.items():
                    pieces.append(Piece(request, i))
                    budget -= tokens
                    if budget <= 0:
                        return pieces
        return pieces

    def _charge(self, taken: list[Piece]) -> None:
        got = dict[Request, int]()
        for request, i in taken:
            got[request] = got.get(request, 0) + request.left.pop(i)
        self.tokens -= sum(got.values())
        share = sum(got.values()) / len(self._order)
        for request, tokens in got.items():
            place = self._pull(request)
            if request.left:
                self._put(request, place.number, place.had + tokens, place.due + 2 * tokens)
        self._clock += share

    def _put(self, request: Request, number: int, had: float, latest: float = inf) -> None:
        following = 0  # what it gets next: a batch's worth, or all that is left
        for tokens in request.left.values():
            if following and following + tokens > request.lane.batch_tokens:
                break
            following += tokens
        if following <= request.lane.batch_tokens // SHORT_SHARE:
            # What is left of a corpus is a question too in the end.
            level = min(had, self._order[0].had) if self._order else had
            place = _Place(level, number, request, level, inf)
        else:
            ahead = 2 * following
            place = _Place(had + ahead, number, request, had, min(self._clock + ahead, latest))
            heappush(self._due, (place.due, number, place))
        self._places[request] = place
        insort(self._order, place)

    def _pull(self, request: Request) -> _Place:
        place = self._places.pop(request)
        del self._order[bisect_left(self._order, place)]
        if not self._order:
            self._due.clear()
        return place
