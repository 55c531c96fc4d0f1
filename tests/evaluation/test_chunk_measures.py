"""Characters counted one by one are the oracle of all measures of passages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.evaluation.chunks import Reach
from youtu_st.evaluation.chunks.measures import Score, score

LENGTH = 40
TEXTS = st.text(alphabet=["a", " ", "\n", "😀"], min_size=LENGTH, max_size=LENGTH)
SPANS = st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 12)).map(
    lambda pair: (pair[0], min(pair[0] + pair[1], LENGTH))
)


def marked(spans: list[tuple[int, int]]) -> np.ndarray:
    array = np.zeros(LENGTH, dtype=bool)
    for start, end in spans:
        array[start:end] = True
    return array


def runs(array: np.ndarray) -> list[tuple[int, int]]:
    """Where a boolean array is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], array, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


@given(
    text=TEXTS,
    answer=st.lists(SPANS, min_size=1, max_size=4),
    passages=st.lists(SPANS, max_size=5),
    elsewhere=st.integers(0, 30),
)
def test_measures_are_counts_of_characters(
    text: str, answer: list[tuple[int, int]], passages: list[tuple[int, int]], elsewhere: int
) -> None:
    wanted, read = marked(answer), marked(passages)
    length = sum(end - start for start, end in passages) + elsewhere
    found, missed = int((wanted & read).sum()), wanted & ~read
    assert score(runs(wanted), passages, length, text) == Score(
        recall=found / wanted.sum(),
        precision=found / length if length else 0.0,
        iou=found / (length + missed.sum()),
        whole=all(text[i].isspace() for i in np.flatnonzero(missed)),
    )


def test_a_case_by_hand() -> None:
    text = "0123456789 abcdefghi"
    # Passages share 4 characters, which count twice in what was read, and once in what was found.
    found = score([(2, 6), (12, 16)], [(0, 8), (4, 11)], 15, text)
    assert found == Score(recall=4 / 8, precision=4 / 15, iou=4 / (15 + 4), whole=False)
    assert score([(5, 15)], [(0, 10), (11, 20)], 19, text) == Score(9 / 10, 9 / 19, 9 / 20, whole=True)


@given(lengths=st.lists(st.integers(1, 9), max_size=12), most=st.integers(1, 30))
def test_a_reach_takes_so_many_and_no_more(lengths: list[int], most: int) -> None:
    assert list(Reach("passages", most).taken(lengths)) == lengths[:most]
    read = list(Reach("tokens", most).taken(lengths))
    assert sum(read) == min(most, sum(lengths))
    assert read[:-1] == lengths[: len(read[:-1])]
    assert all(0 < part <= length for part, length in zip(read, lengths, strict=False))


def test_a_reach_asks_for_no_more_passages_than_are_read() -> None:
    asked = iter([5, 5, 5, 5])
    assert list(Reach("tokens", 12).taken(asked)) == [5, 5, 2]
    assert list(asked) == [5]
    with pytest.raises(InputError, match=r"^budget of tokens must be an int of at least 1, not 0$"):
        Reach("tokens", 0)
    assert (str(Reach("tokens", 1200)), str(Reach("passages", 5))) == ("1,200 tokens", "5 passages")
