"""FairQueue: every text once, bounded by tokens, and nobody waits for more than a share."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.errors import QueueFullError, RequestTooLargeError
from youtu_st.inference import batches
from youtu_st.inference.batches import Group
from youtu_st.inference.fair_queue import LOOK_AHEAD, FairQueue
from youtu_st.inference.requests import Request
from youtu_st.inference.unique import Unique


class Lane:
    """Batches by the planner alone."""

    name = "lane"

    def __init__(self, batch_tokens=100):
        self.batch_tokens = batch_tokens

    def plan(self, pieces):
        plan = batches.plan([piece.tokens for piece in pieces], self.batch_tokens, self.batch_tokens // 4)
        return [Group(batch) for batch in plan.batches]


def request(lane, lengths):
    texts = [str(i) for i in range(len(lengths))]
    unique = Unique.of(texts, [""] * len(texts))
    return Request(lane, unique, [range(n) for n in lengths], None)


LENGTHS = st.lists(st.integers(1, 120), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(st.lists(LENGTHS, min_size=1, max_size=12), st.data())
def test_every_text_once_in_batches_of_the_planner(sizes, data):
    lanes, queue = [Lane(), Lane(60)], FairQueue()
    coming = [request(data.draw(st.sampled_from(lanes)), lengths) for lengths in sizes]
    inside, seen = [], []
    while coming or len(queue):
        if coming and (not len(queue) or data.draw(st.booleans())):
            inside.append(coming.pop())
            queue.add(inside[-1])
            continue
        batch = queue.take()
        assert {piece.request.lane for piece in batch.pieces} == {batch.lane}
        padded = max(piece.tokens for piece in batch.pieces) * len(batch.pieces)
        assert len(batch.pieces) == 1 or padded <= batch.lane.batch_tokens
        assert batch.group.positions == list(range(len(batch.pieces)))
        seen += batch.pieces
        left = sum(sum(one.left.values()) for one in inside)
        assert queue.tokens == left
    assert len(seen) == len(set(seen)) == sum(map(len, sizes))
    assert queue.take() is None


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 6), st.integers(30, 100), st.integers(20, 200), st.data())
def test_a_question_is_in_the_next_batch_whatever_waits(corpora, length, texts, data):
    lane, queue = Lane(), FairQueue()
    for _ in range(corpora):
        queue.add(request(lane, [length] * texts))
    for _ in range(data.draw(st.integers(corpora, 2 * corpora + 3))):
        queue.take()
    question = request(lane, [10])
    queue.add(question)
    assert any(piece.request is question for piece in queue.take().pieces)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=40), st.integers(0, 3))
def test_the_oldest_question_is_in_the_next_batch_however_long(lengths, corpora):
    """New short ones keep coming, and pass no question that was there before them."""
    lane, queue = Lane(800), FairQueue()
    for _ in range(corpora):
        queue.add(request(lane, [50] * 100))
    waiting = [request(lane, [length]) for length in lengths]
    for one in waiting:
        queue.add(one)
    while waiting:
        taken = {piece.request for piece in queue.take().pieces}
        assert waiting[0] in taken
        waiting = [one for one in waiting if one not in taken]
        queue.add(request(lane, [1]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=40), st.data())
def test_a_question_is_passed_by_nobody_who_came_after_its_round_began(lengths, data):
    lane, queue = Lane(800), FairQueue()
    first = [request(lane, [length]) for length in lengths]
    for one in first:
        queue.add(one)
    later = set()
    while any(one.left for one in first):
        taken = {piece.request for piece in queue.take().pieces}
        assert not taken & later
        newcomer = request(lane, [data.draw(st.sampled_from(lengths))])
        later.add(newcomer)
        queue.add(newcomer)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(5, 100))
def test_a_corpus_comes_to_its_turn_however_many_questions_follow(questions, length):
    """More questions come after every batch than it holds: the corpus gets its share of the tokens all the same."""
    lane, queue = Lane(), FairQueue()
    corpus = request(lane, [length] * 40)
    queue.add(corpus)
    whole, served = sum(corpus.lengths), 0
    for _ in range(40_000):
        if not corpus.left:
            break
        while len(queue) <= questions:
            queue.add(request(lane, [10]))
        tokens = queue.tokens
        queue.take()
        served += tokens - queue.tokens
    assert not corpus.left
    # At least half of its share, which is one of questions + 1.
    assert served <= 2 * (questions + 1) * (1.1 * whole + 2 * lane.batch_tokens)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=6))
def test_those_that_always_wait_get_equal_shares(lengths):
    lane, queue = Lane(), FairQueue()
    waiting = [request(lane, [length] * (30_000 // length)) for length in lengths]
    for one in waiting:
        queue.add(one)
    for _ in range(200):
        queue.take()
    had = [sum(one.lengths) - sum(one.left.values()) for one in waiting]
    assert max(had) - min(had) <= (LOOK_AHEAD + 1) * lane.batch_tokens


def test_two_models_take_turns_by_tokens():
    embedding, reranker = Lane(100), Lane(50)
    queue = FairQueue()
    one, other = request(embedding, [10] * 500), request(reranker, [25] * 200)
    queue.add(one)
    queue.add(other)
    tokens = {embedding: 0, reranker: 0}
    for _ in range(30):
        batch = queue.take()
        tokens[batch.lane] += sum(piece.tokens for piece in batch.pieces)
    assert abs(tokens[embedding] - tokens[reranker]) <= 100


def test_bounded_by_tokens():
    lane, queue = Lane(), FairQueue(100)
    queue.add(request(lane, [60]))
    with pytest.raises(QueueFullError, match=r"^41 tokens do not fit into the queue: 60 of at most 100 wait"):
        queue.add(request(lane, [21, 20]))
    with pytest.raises(RequestTooLargeError, match=r"^a request of 101 tokens is more than the 100 that may"):
        queue.add(request(lane, [101]))
    queue.add(request(lane, [20, 20]))
    assert queue.tokens == 100
    queue.take()
    assert queue.tokens < 100
    queue.add(request(lane, [1]))


def test_what_is_discarded_leaves_room_and_no_trace():
    lane, queue = Lane(), FairQueue(100)
    gone, kept = request(lane, [50]), request(lane, [50])
    queue.add(gone)
    queue.add(kept)
    assert queue.discard(gone) == 1
    assert (queue.tokens, len(queue), queue.discard(gone)) == (50, 1, 0)
    assert [piece.request for piece in queue.take().pieces] == [kept]
    assert queue.take() is None
