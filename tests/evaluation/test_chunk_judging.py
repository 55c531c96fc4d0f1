"""What is read for a question, against a search that is written out here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.evaluation.chunks import Chunk, ChunkData, Document, Question, Reach, Setting, judge
from youtu_st.evaluation.chunks.judging import measured

TEXTS = {"a": "abcdefghij" * 3, "b": "klmnopqrst" * 2}
DATA = ChunkData(
    (Question("1", "a", ((3, 9), (20, 25))), Question("2", "b", ((0, 4),)), Question("3", "a", ((29, 30),))),
    {name: Document(name, text, ".md") for name, text in TEXTS.items()},
)


def split(document: Document, setting: Setting) -> Iterator[Chunk]:
    """Passages of so many characters, a token each."""
    step = setting.tokens - setting.overlap
    for start in range(0, len(document.text) - setting.overlap, step):
        end = min(start + setting.tokens, len(document.text))
        yield Chunk(document.text[start:end], start, tuple(range(start + 1, end + 1)))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    tokens=st.integers(2, 9),
    overlap=st.integers(0, 1),
    reach=st.builds(Reach, st.sampled_from(["passages", "tokens"]), st.integers(1, 60)),
)
def test_what_is_read_is_marked_character_by_character(
    seed: int, tokens: int, overlap: int, reach: Reach
) -> None:
    passages = [(name, c) for name, d in DATA.documents.items() for c in split(d, Setting(tokens, overlap))]
    chance = np.random.default_rng(seed)
    queries = chance.normal(size=(3, 2)).astype(np.float32)
    vectors = chance.integers(-2, 3, size=(len(passages), 2)).astype(np.float32)  # with ties
    found = measured(DATA, queries, passages, vectors, [reach])[reach]
    for i, question in enumerate(DATA.questions):
        scores = vectors @ queries[i]
        order = sorted(range(len(passages)), key=lambda j: (-scores[j], j))
        text = TEXTS[question.document]
        wanted, seen = np.zeros(len(text), bool), np.zeros(len(text), bool)
        for start, end in question.spans:
            wanted[start:end] = True
        left, read = reach.most, 0
        for j in order:
            name, chunk = passages[j]
            for end in chunk.ends:
                if not left:
                    break
                read += 1
                left -= reach.unit == "tokens"
                if name == question.document:
                    seen[end - 1] = True
            left -= reach.unit == "passages"
            if left <= 0:
                break
        hit = int((wanted & seen).sum())
        assert found.read[i] == read
        assert found.recall[i] == pytest.approx(hit / wanted.sum())
        assert found.precision[i] == pytest.approx(hit / read)
        assert found.iou[i] == pytest.approx(hit / (read + int((wanted & ~seen).sum())))
        assert found.whole[i] == (hit == wanted.sum())


class Letters:
    """An encoder of counts: what it finds is what has the question's letters."""

    def encode_query(self, texts: list[str]) -> np.ndarray:
        return self.encode_document([{"1": "defghi", "2": "klmn", "3": "j"}[text] for text in texts])

    def encode_document(self, texts: list[str]) -> np.ndarray:
        rows = np.array([[text.count(chr(97 + i)) for i in range(20)] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_settings_are_judged_one_after_the_other() -> None:
    told: list[str] = []
    reaches = [Reach("passages", 1), Reach("tokens", 4)]
    wholes, halves = judge(
        Letters(),  # type: ignore[arg-type]  # all that is asked of an encoder here
        DATA,
        [Setting(10), Setting(5)],
        split,
        reaches,
        report=told.append,
    )
    assert (wholes.passages, halves.passages) == (5, 10)
    # The whole text of "a" is three times the same ten letters; the first of them is found.
    assert wholes.found[reaches[0]].recall.tolist() == [6 / 11, 1.0, 0.0]
    assert wholes.found[reaches[1]].recall.tolist() == [1 / 11, 1.0, 0.0]
    assert wholes.found[reaches[0]].whole.tolist() == [0.0, 1.0, 0.0]
    assert halves.found[reaches[0]].read.tolist() == [5.0] * 3
    assert told[-1] == "encoding 10 passages of 5 tokens, overlap 0 ..."
    with pytest.raises(InputError, match=r"^the documents fall into no passages of 5 tokens, overlap 0$"):
        list(judge(Letters(), DATA, [Setting(5)], lambda *_: [], reaches))  # type: ignore[arg-type]
