"""One row of training data, as CoDiEmb publishes it, and as JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn, get_args

from youtu_st.disk import open_plain
from youtu_st.errors import InputError, brief, counted, did_you_mean, in_one_line

Task = Literal["ir", "sts", "cls"]
TASKS: tuple[Task, ...] = get_args(Task)
_FIELDS = (
    "task_type",
    "query",
    "positives",
    "negatives",
    "positive_scores",
    "negative_scores",
    "label",
    "negative_labels",
)
LONGEST = 64 << 20
"""Bytes of a line: more would fill the memory, and is no row."""
_LARGEST = 3.4028234663852886e38
_SHAPE = "[task instruction, instance instruction, text], or a str"


class RowError(InputError):
    """A row of training data is malformed: file, line, field and what was expected."""


@dataclass(frozen=True, slots=True)
class Text:
    """One side of a row.

    Attributes:
        text: The text itself; never stripped or cut.
        instruction: What the task is, for the model's template; masked where the model masks instructions.
        preface: The instance instruction: content, which stands before the text as it is.
    """

    text: str
    instruction: str = ""
    preface: str = ""

    @property
    def content(self) -> str:
        """What is encoded after the prompt."""
        return self.preface + self.text

    def as_json(self) -> list[str]:
        """As CoDiEmb's files have it."""
        return [self.instruction, self.preface, self.text]


@dataclass(frozen=True, slots=True)
class Row:
    """A query with what belongs to it and what does not.

    Attributes:
        task: ``ir``: positives are found, negatives are not. ``sts``: the query and each of its positives
            (and negatives) are a pair with a score. ``cls``: positives are of the query's class.
        query: The query, or a pair's first sentence.
        positives: At least one.
        negatives: Hard negatives.
        positive_scores: One per positive: of ``sts`` how alike the two are, of ``ir`` and ``cls`` a
            teacher's score. None: there are none.
        negative_scores: Likewise.
        label: The class of the query and its positives, of ``cls``. None: not known.
        negative_labels: The classes of the negatives, of ``cls``. None: not known.
    """

    task: Task
    query: Text
    positives: tuple[Text, ...]
    negatives: tuple[Text, ...] = ()
    positive_scores: tuple[float, ...] | None = None
    negative_scores: tuple[float, ...] | None = None
    label: str | None = None
    negative_labels: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """As CoDiEmb's files have it; ``label`` and ``negative_labels`` only where they are known."""
        labels = {"label": self.label, "negative_labels": self.negative_labels}
        return {
            "task_type": self.task,
            "query": self.query.as_json(),
            "positives": [text.as_json() for text in self.positives],
            "negatives": [text.as_json() for text in self.negatives],
            "positive_scores": list(self.positive_scores or ()),
            "negative_scores": list(self.negative_scores or ()),
            **{name: value for name, value in labels.items() if value is not None},
        }


def read_rows(path: str | Path) -> Iterator[tuple[int, Row | RowError]]:
    """Each row of a JSONL file with its line, from 1; in place of a malformed one, what is wrong with it.

    Blank lines are passed over. Of a line longer than :data:`LONGEST` no more than that is in memory.

    Raises:
        InputError: If the file cannot be read.
    """
    try:
        with open_plain(path) as file:
            for line, content in enumerate(iter(partial(file.readline, LONGEST + 1), b""), 1):
                where = f"{path}, line {line}"
                if len(content) > LONGEST:
                    _pass_over(file, content)
                    yield line, RowError(f"{where}: more than {LONGEST >> 20} MiB in a line: that is no row")
                elif content.strip():
                    try:
                        yield line, parse(content, where)
                    except RowError as error:
                        yield line, error
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _pass_over(file: BinaryIO, content: bytes) -> None:
    """Read to the end of a line that was begun, and keep nothing of it."""
    while content and not content.endswith(b"\n"):
        content = file.readline(1 << 20)


def parse(content: bytes | str, where: str) -> Row:
    """A row from its JSON text.

    Args:
        content: One JSON object; its bytes are UTF-8, after a byte order mark or not.
        where: What a message begins with: the file and the line.

    Raises:
        RowError: If it is malformed.
    """
    try:
        # Of bytes the host would guess the encoding, line by line.
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        value = json.loads(text)
    except UnicodeDecodeError as error:
        raise RowError(f"{where}: must be UTF-8, and byte {error.start + 1} is not") from error
    except (ValueError, RecursionError) as error:
        raise RowError(in_one_line(f"{where}: not valid JSON", error)) from error
    if not isinstance(value, dict):
        raise RowError(f"{where}: a row must be a JSON object, not {brief(value)}")
    return _Fields(value, where).row()


@dataclass(frozen=True)
class _Fields:
    """The fields of one row, each checked as it is taken."""

    values: Mapping[str, Any]
    where: str

    def row(self) -> Row:
        for name in self.values:
            if name not in _FIELDS:
                allowed = f"{did_you_mean(name, _FIELDS)}allowed: {', '.join(_FIELDS)}"
                self._fail(name, f"is unknown ({allowed})")
        for name in ("task_type", "query", "positives"):
            if name not in self.values:
                self._fail(name, "is missing")
        task: Task = self.values["task_type"]
        if task not in TASKS:
            self._fail("task_type", f"must be one of {', '.join(TASKS)}, not {brief(task)}")
        query = self._text("query", self.values["query"])
        positives = self._texts("positives")
        negatives = self._texts("negatives")
        positive_scores = self._scores("positive_scores", len(positives))
        negative_scores = self._scores("negative_scores", len(negatives))
        if not positives:
            self._fail("positives", f"must hold at least one text: the task is {task!r}")
        if task == "sts" and positive_scores is None:
            self._fail("positive_scores", f"must have a score for each positive, {len(positives)}")
        if task == "sts" and negatives and negative_scores is None:
            self._fail("negative_scores", f"must have a score for each negative, {len(negatives)}")
        return Row(
            task=task,
            query=query,
            positives=positives,
            negatives=negatives,
            positive_scores=positive_scores,
            negative_scores=negative_scores,
            label=self._label("label", self.values.get("label")),
            negative_labels=self._labels(len(negatives)),
        )

    def _fail(self, name: str, expected: str) -> NoReturn:
        raise RowError(f"{self.where}: field {name[:100]!r} {expected}")

    def _text(self, name: str, value: Any) -> Text:
        parts = ["", "", value] if isinstance(value, str) else value
        if not isinstance(parts, list) or len(parts) != 3 or not all(isinstance(part, str) for part in parts):
            self._fail(name, f"must be {_SHAPE}, not {brief(value)}")
        self._check_whole(name, "".join(parts))
        instruction, preface, text = parts
        if not (preface + text).strip():
            self._fail(name, "has an empty text")
        return Text(text=text, instruction=instruction, preface=preface)

    def _texts(self, name: str) -> tuple[Text, ...]:
        values = self.values.get(name)
        if values is None:
            return ()
        if not isinstance(values, list):
            self._fail(name, f"must be a list, each {_SHAPE}, not {brief(values)}")
        return tuple(self._text(f"{name}[{i}]", value) for i, value in enumerate(values))

    def _scores(self, name: str, count: int) -> tuple[float, ...] | None:
        values = self.values.get(name)
        if values is None or values == []:
            return None
        if not isinstance(values, list) or len(values) != count:
            self._fail(name, f"must be a list of {counted(count, 'number')}, not {brief(values)}")
        for i, value in enumerate(values):
            if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
                self._fail(f"{name}[{i}]", f"must be a finite number, not {brief(value)}")
        return tuple(map(float, values))

    def _label(self, name: str, value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            self._fail(name, f"must be a str or an int, not {brief(value)}")
        self._check_whole(name, label := str(value))
        return label

    def _check_whole(self, name: str, text: str) -> None:
        try:
            text.encode()
        except UnicodeEncodeError:
            self._fail(name, f"holds half of a character, a lone surrogate: {brief(text)}")

    def _labels(self, count: int) -> tuple[str, ...] | None:
        values = self.values.get("negative_labels")
        if values is None:
            return None
        if not isinstance(values, list) or len(values) != count:
            self._fail("negative_labels", f"must be a list, a class for each of {counted(count, 'negative')}")
        labels = (self._label(f"negative_labels[{i}]", value) for i, value in enumerate(values))
        return tuple(label if label is not None else "" for label in labels)


def _is_finite(value: float) -> bool:
    """Whether it is a number in float32, in which losses are computed."""
    return -_LARGEST <= value <= _LARGEST


def dump(rows: Sequence[Row]) -> str:
    """Rows as lines of JSON text."""
    return "".join(json.dumps(row.as_json(), ensure_ascii=False) + "\n" for row in rows)
