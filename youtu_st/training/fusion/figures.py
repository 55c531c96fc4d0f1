"""How good a model is on files of training rows: one figure for each file and task in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from youtu_st.encoder import Encoder
from youtu_st.errors import InputError
from youtu_st.evaluation.ranking import ndcg
from youtu_st.evaluation.sts import spearman
from youtu_st.modules.settings import ours
from youtu_st.protocol import Vectors
from youtu_st.training.data.rows import TASKS, Row, Task, Text, read_rows

K = 10
MEASURES: dict[Task, str] = {"ir": f"nDCG@{K}", "sts": "Spearman", "cls": f"nDCG@{K}"}
_QUERIES = 256
"""Queries whose cosines with all documents are in memory at once."""


@dataclass(frozen=True)
class TaskRows:
    """The rows of one task in one file.

    Attributes:
        path: The file.
        task: Of all of its rows.
        rows: At least one.
    """

    path: Path
    task: Task
    rows: tuple[Row, ...]

    @property
    def measure(self) -> str:
        """Its name."""
        return MEASURES[self.task]

    @property
    def title(self) -> str:
        """The file's name, the task and the measure: ``dev.jsonl ir nDCG@10``."""
        return f"{self.path.name} {self.task} {self.measure}"


def read_tasks(paths: Iterable[str | Path]) -> list[TaskRows]:
    """The rows of some JSONL files, by file and task.

    Raises:
        InputError: If a file cannot be read or has no rows; for the first row that is malformed.
    """
    found = []
    for path in paths:
        by_task: Mapping[Task, list[Row]] = {task: [] for task in TASKS}
        for _, row in read_rows(path):
            if isinstance(row, InputError):
                raise row
            by_task[row.task].append(row)
        if not any(by_task.values()):
            raise InputError(f"{path}: there are no rows in it")
        found += [TaskRows(Path(path), task, tuple(rows)) for task, rows in by_task.items() if rows]
    return found


def figures(
    encoder: Encoder, tasks: Sequence[TaskRows], *, show_progress: bool = False
) -> list[float | None]:
    """The measure of :data:`MEASURES` on each: from 0 to 1, of Spearman's correlation from -1.

    ``ir`` and ``cls``: the mean nDCG@10 of the queries, over all positives and negatives of these rows. What
    belongs to a query is its positives, in whichever row, and of ``cls`` all that is of its class. ``sts``:
    the correlation of the cosines of each pair with its score.

    A query is encoded after its own instruction where the model has a template for one, a document as a
    document; the two sides of an ``sts`` pair alike, as queries where the row has an instruction.

    Args:
        encoder: The model.
        tasks: What :func:`read_tasks` gives.
        show_progress: Show progress bars.

    Returns:
        One figure for each; None where a correlation is not defined: all cosines or all scores are equal.
    """
    reader = _Reader(encoder, show_progress)
    return [_correlation(reader, part) if part.task == "sts" else _gain(reader, part) for part in tasks]


@dataclass(frozen=True)
class _Reader:
    """Texts of rows to vectors, by the instructions that the model takes."""

    encoder: Encoder
    show: bool

    @property
    def has_template(self) -> bool:
        mine = ours(self.encoder.model)
        return mine is not None and mine.settings.template is not None

    def queries(self, texts: Sequence[Text]) -> Vectors:
        given = self._instructions(texts)
        return self.encoder.encode_query(
            [text.content for text in texts], instruction=given, show_progress=self.show
        )

    def documents(self, texts: Sequence[Text]) -> Vectors:
        given = self._instructions(texts)
        return self.encoder.encode_document(
            [text.content for text in texts], instruction=given, show_progress=self.show
        )

    def _instructions(self, texts: Sequence[Text]) -> list[str | None] | None:
        return [text.instruction or None for text in texts] if self.has_template else None


def _gain(reader: _Reader, part: TaskRows) -> float:
    corpus = {text: i for i, text in enumerate(_distinct(part.rows))}
    belongs: dict[tuple[Text, str | None], set[int]] = {}
    of_class: dict[str | None, set[int]] = {}
    for row in part.rows:
        known = [(text, row.label) for text in row.positives]
        known += list(zip(row.negatives, row.negative_labels or [None] * len(row.negatives), strict=True))
        for text, label in known:
            if part.task == "cls" and label:
                of_class.setdefault(label, set()).add(corpus[text])
        belongs.setdefault((row.query, row.label), set()).update(corpus[text] for text in row.positives)
    documents, gains = reader.documents(list(corpus)), []
    wanted = list(belongs.items())
    vectors = reader.queries([query for (query, _), _ in wanted])
    for start in range(0, len(wanted), _QUERIES):
        scores = reader.encoder.similarity(vectors[start : start + _QUERIES], documents)
        for ranked, ((_, label), positives) in zip(_best(scores), wanted[start:], strict=False):
            gains.append(ndcg(ranked, positives | of_class.get(label, set()), k=K))
    return math.fsum(gains) / len(gains)


def _best(scores: Vectors) -> list[list[int]]:
    """The columns of the largest scores of each row, the first of equal ones first."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    best: list[list[int]] = order.tolist()
    return best


def _distinct(rows: Iterable[Row]) -> Iterable[Text]:
    return dict.fromkeys(text for row in rows for text in (*row.positives, *row.negatives))


def _correlation(reader: _Reader, part: TaskRows) -> float | None:
    pairs = [
        (row.query, text, score)
        for row in part.rows
        for text, score in [
            *zip(row.positives, row.positive_scores or (), strict=True),
            *zip(row.negatives, row.negative_scores or (), strict=True),
        ]
    ]
    cosines, scores = [], []
    for as_queries in (True, False):
        some = [pair for pair in pairs if as_queries == bool(reader.has_template and pair[0].instruction)]
        if not some:
            continue
        encode = reader.queries if as_queries else reader.documents
        left = encode([query for query, _, _ in some])
        right = encode([_after(text, query.instruction) for query, text, _ in some])
        cosines += (left * right).sum(axis=1).tolist()
        scores += [score for _, _, score in some]
    if len({*cosines}) < 2 or len({*scores}) < 2:
        return None
    return spearman(cosines, scores)


def _after(text: Text, instruction: str) -> Text:
    """A pair's second side, after the first one's instruction where it has none."""
    return Text(text.text, text.instruction or instruction, text.preface)
