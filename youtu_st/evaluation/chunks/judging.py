"""Settings of a splitter, judged by what a model finds of answers in their passages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from youtu_st.errors import InputError
from youtu_st.evaluation.chunks.data import ChunkData, Document, Question, Span
from youtu_st.evaluation.chunks.measures import Score, score
from youtu_st.evaluation.chunks.reach import Reach
from youtu_st.protocol import TextEncoder, Vectors

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Setting:
    """How documents are split.

    Attributes:
        tokens: Most tokens of a passage.
        overlap: Most tokens that it has in common with the one before.
        plain: Whether Markdown is split as any text.
    """

    tokens: int
    overlap: int = 0
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage.

    Attributes:
        text: What is encoded, and read by who asks.
        start: Where in the document it begins, in characters; a title before it does not count.
        ends: Of each token of ``text``, where in the document it ends; ``start`` for those of a title.
    """

    text: str
    start: int
    ends: tuple[int, ...]


Split = Callable[[Document, Setting], Iterable[Chunk]]
"""Gives a document's passages, none of which is blank."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What :class:`~youtu_st.evaluation.chunks.measures.Score` says of each question, shape ``(questions,)``.

    Attributes:
        recall: From 0 to 1.
        precision: From 0 to 1.
        iou: From 0 to 1.
        whole: 1 where all of the answer was read, else 0.
        read: Tokens that were read.
    """

    recall: Floats
    precision: Floats
    iou: Floats
    whole: Floats
    read: Floats


@dataclass(frozen=True, slots=True)
class Judged:
    """A setting, how many passages it makes, and what was found in each reach."""

    setting: Setting
    passages: int
    found: dict[Reach, Measures]


def judge(
    encoder: TextEncoder,
    data: ChunkData,
    settings: Sequence[Setting],
    split: Split,
    reaches: Sequence[Reach],
    *,
    report: Callable[[str], object] | None = None,
) -> Iterator[Judged]:
    """Judge settings, one after the other. All documents are searched together, exactly.

    Args:
        encoder: The model.
        data: Questions and documents.
        settings: What is judged.
        split: Splits a document.
        reaches: How much of the results is read.
        report: Told what is done now.

    Raises:
        InputError: If a setting leaves no passage.
    """
    queries = encoder.encode_query([question.text for question in data.questions])
    for setting in settings:
        told = f"passages of {setting.tokens} tokens, overlap {setting.overlap}"
        if report is not None:
            report(f"splitting into {told} ...")
        found = [
            (name, chunk) for name, document in data.documents.items() for chunk in split(document, setting)
        ]
        if not found:
            raise InputError(f"the documents fall into no {told}")
        if report is not None:
            report(f"encoding {len(found):,} {told} ...")
        vectors = encoder.encode_document([chunk.text for _, chunk in found])
        yield Judged(setting, len(found), measured(data, queries, found, vectors, reaches))


def measured(
    data: ChunkData,
    queries: Vectors,
    passages: Sequence[tuple[str, Chunk]],
    vectors: Vectors,
    reaches: Sequence[Reach],
) -> dict[Reach, Measures]:
    """What is found of every question's answer.

    Args:
        data: Questions and documents.
        queries: The questions' vectors.
        passages: Passages, each with its document's name.
        vectors: Their vectors.
        reaches: How much of the results is read.
    """
    rows: dict[Reach, list[tuple[Score, int]]] = {reach: [] for reach in reaches}
    for question, query in zip(data.questions, queries, strict=True):
        # Of equal scores the first passage, as an exact index has it.
        order = np.argsort(-(vectors @ query), kind="stable")
        for reach in reaches:
            rows[reach].append(_found(question, data.documents[question.document], order, passages, reach))
    return {reach: _columns(found) for reach, found in rows.items()}


def _found(
    question: Question,
    document: Document,
    order: npt.NDArray[np.intp],
    passages: Sequence[tuple[str, Chunk]],
    reach: Reach,
) -> tuple[Score, int]:
    here: list[Span] = []
    characters = tokens = 0
    # The lengths are looked at one by one: mostly a few passages are read, of many thousands.
    for i, read in zip(order, reach.taken(len(passages[i][1].ends) for i in order), strict=False):
        name, chunk = passages[i]
        end = chunk.ends[read - 1]
        characters += end - chunk.start
        tokens += read
        if name == question.document:
            here.append((chunk.start, end))
    return score(question.spans, here, characters, document.text), tokens


def _columns(found: Sequence[tuple[Score, int]]) -> Measures:
    def column(values: Iterable[float]) -> Floats:
        return np.fromiter(values, dtype=np.float64, count=len(found))

    return Measures(
        recall=column(one.recall for one, _ in found),
        precision=column(one.precision for one, _ in found),
        iou=column(one.iou for one, _ in found),
        whole=column(one.whole for one, _ in found),
        read=column(read for _, read in found),
    )
