"""A look at training data before anything is trained: what cannot be trained on, and what is not meant."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from youtu_st.errors import InputError, counted, printable
from youtu_st.inputs import check_count
from youtu_st.training.data.lengths import Asked, Characters, Histogram, Measure, asked
from youtu_st.training.data.report import LEVELS, FileReport, Finding, Kind, Report, Scores
from youtu_st.training.data.rows import TASKS, Row, RowError, Task, dump, read_rows
from youtu_st.training.data.seen import Seen, digest

EXAMPLES = 3
SCALES = ((0.0, 1.0), (0.0, 5.0))
_AT_ONCE = 512
"""Texts that are measured together."""


def check(
    paths: Sequence[str | Path],
    *,
    measure: Measure | None = None,
    batch_size: int = 64,
    report: Callable[[int], None] | None = None,
) -> Report:
    """Look at files of rows; memory grows by some hundred bytes a row, and not with the texts.

    Args:
        paths: JSONL files.
        measure: Tells how long texts are. None: in characters.
        batch_size: Rows of a step, over all devices: a task of a file must have as many.
        report: Is told now and then how many rows were read.

    Raises:
        InputError: If a file cannot be read, or is named twice, or there is none.
    """
    check_count("batch_size", batch_size)
    names = [str(path) for path in paths]
    if not names:
        raise InputError("there is no file to look at")
    if len({os.path.realpath(name) for name in names}) < len(names):
        raise InputError(f"a file is named twice: {', '.join(names)}")
    found = _Look(names, measure or Characters(), batch_size, report)
    for number in range(len(names)):
        found.read(number)
    return found.report()


class _Findings:
    """Findings of a file: the first of each kind, and how many."""

    def __init__(self) -> None:
        self._counts: Counter[Kind] = Counter()
        self._examples: dict[Kind, list[str]] = {}

    def add(self, kind: Kind, example: str) -> None:
        self._counts[kind] += 1
        if len(examples := self._examples.setdefault(kind, [])) < EXAMPLES:
            examples.append(printable(example))

    def all(self) -> tuple[Finding, ...]:
        kinds: tuple[Kind, ...] = get_args(Kind)
        return tuple(
            Finding(LEVELS[kind], kind, self._counts[kind], tuple(self._examples[kind]))
            for kind in kinds
            if kind in self._counts
        )


class _File:
    """What is gathered of a file."""

    def __init__(self, name: str, measure: Measure) -> None:
        self.name = name
        self.findings = _Findings()
        self.rows: Counter[Task] = Counter()
        self.pairs = 0
        self.scores: dict[Task, Scores] = {}
        self._measure = measure
        self._texts: list[Asked] = []
        self._lengths = {
            side: Histogram(measure.unit, measure.limit, Counter()) for side in ("query", "document")
        }

    def measure(self, row: Row) -> None:
        """Take a row's lengths."""
        self._texts += asked(row)
        if len(self._texts) >= _AT_ONCE:
            self._flush()

    def score(self, task: Task, scores: Sequence[float]) -> None:
        """Take a row's scores."""
        if (found := Scores.of(scores, self.scores.get(task))) is not None:
            self.scores[task] = found

    def _flush(self) -> None:
        for text, length in zip(self._texts, self._measure(self._texts), strict=True):
            self._lengths[text.side].counts[length] += 1
        self._texts = []

    def report(self) -> FileReport:
        self._flush()
        return FileReport(
            path=self.name,
            rows={task: self.rows[task] for task in TASKS if self.rows[task]},
            pairs=self.pairs,
            queries=self._lengths["query"].lengths(),
            documents=self._lengths["document"].lengths(),
            scores={task: self.scores[task] for task in TASKS if task in self.scores},
            findings=self.findings.all(),
        )


class _Look:
    """A look at several files."""

    def __init__(
        self, names: Sequence[str], measure: Measure, batch_size: int, report: Callable[[int], None] | None
    ) -> None:
        self._measure, self._batch_size, self._report = measure, batch_size, report
        self._files = [_File(name, measure) for name in names]
        self._rows, self._queries, self._pairs = Seen(), Seen(), Seen()

    def read(self, number: int) -> None:
        file = self._files[number]
        for line, row in read_rows(file.name):
            if isinstance(row, RowError):
                file.findings.add("malformed row", str(row))
                continue
            file.rows[row.task] += 1
            self._row(file, number, line, row)
            if self._report is not None and not sum(file.rows.values()) % 1000:
                self._report(sum(sum(each.rows.values()) for each in self._files))
        if not file.rows:
            file.findings.add("no rows", f"{file.name}: there is no row that can be trained on")
        for task in TASKS:
            have = file.pairs if task == "sts" else file.rows[task]
            if 0 < have < self._batch_size:
                few = counted(have, "pair" if task == "sts" else "row")
                file.findings.add(
                    "fewer rows than a batch",
                    f"{file.name}: {few} of the task {task!r}, and a batch has {self._batch_size:,}",
                )

    def _row(self, file: _File, number: int, line: int, row: Row) -> None:
        where = f"{file.name}, line {line}"
        self._rows.add(digest(dump([row])), number, line)
        file.measure(row)
        file.score(row.task, (*(row.positive_scores or ()), *(row.negative_scores or ())))
        if reason := self._measure.refuses(row.query.instruction) if row.query.instruction else None:
            file.findings.add("instruction that the model does not take", f"{where}: {reason}")
        if row.task == "sts":
            self._pair(file, number, line, row)
            return
        self._queries.add(digest(row.task, *row.query.as_json()), number, line)
        negatives = {text.content for text in row.negatives}
        for i, text in enumerate(row.positives):
            if text.content in negatives:
                file.findings.add("positive that is a negative too", f"{where}: positives[{i}]")
            if text.content == row.query.content:
                file.findings.add("positive that is the query", f"{where}: positives[{i}]")
        if row.task == "ir":
            for name, texts in (("positives", row.positives), ("negatives", row.negatives)):
                for i, text in enumerate(texts):
                    if text.instruction:
                        told = "is not used: documents of the task 'ir' have none"
                        file.findings.add("instruction of a document", f"{where}: {name}[{i}] {told}")

    def _pair(self, file: _File, number: int, line: int, row: Row) -> None:
        others = (*row.positives, *row.negatives)
        scores = (*(row.positive_scores or ()), *(row.negative_scores or ()))
        file.pairs += len(others)
        for other, score in zip(others, scores, strict=True):
            pair = sorted((row.query.content, other.content))  # the same in either order
            self._pairs.add(digest(row.query.instruction, *pair), number, line, score)
            if not SCALES[-1][0] <= score <= SCALES[-1][1]:
                told = f"{file.name}, line {line}: {score:g} is not from 0 to 1, nor from 0 to 5"
                file.findings.add("score off the scales", told)

    def report(self) -> Report:
        for kind, seen in (("same row again", self._rows), ("same query again", self._queries)):
            for again in seen.again():
                file, first = self._files[again.file], self._files[again.first_file]
                told = f"{file.name}, line {again.line}: as {first.name}, line {again.first_line}"
                file.findings.add(kind, told)  # type: ignore[arg-type]  # the loop's str is one of them
        for again in self._pairs.again():
            if again.value != again.first_value:
                file, first = self._files[again.file], self._files[again.first_file]
                told = f"{again.value:g}, and {again.first_value:g} in {first.name}, line {again.first_line}"
                file.findings.add("same pair with another score", f"{file.name}, line {again.line}: {told}")
        for file in self._files:
            scores = file.scores.get("sts")
            if scores and scores.count > 1 and scores.lowest == scores.highest:
                told = f"{file.name}: all {scores.count:,} scores of the task 'sts' are {scores.lowest:g}"
                file.findings.add("scores that are all equal", told)
        return Report(tuple(file.report() for file in self._files), self._together())

    def _together(self) -> tuple[Finding, ...]:
        """What is found of the files together: each on its scale, and not all on the same."""
        scaled = [(file.name, file.scores["sts"]) for file in self._files if "sts" in file.scores]
        if len({_scale(scores) for _, scores in scaled}) < 2:
            return ()
        told = [f"{name}: scores from {scores.lowest:g} to {scores.highest:g}" for name, scores in scaled]
        kind: Kind = "files on several scales"
        return (Finding(LEVELS[kind], kind, len(told), tuple(map(printable, told[:EXAMPLES]))),)


def _scale(scores: Scores) -> tuple[float, float] | None:
    """The smaller of the scales that holds all scores. None: neither does."""
    return next(((a, b) for a, b in SCALES if a <= scores.lowest and scores.highest <= b), None)
