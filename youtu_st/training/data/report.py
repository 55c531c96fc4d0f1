"""What a look at training data finds, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from youtu_st.training.data.rows import Task

Level = Literal["error", "warning", "note"]
Kind = Literal[
    "malformed row",
    "no rows",
    "fewer rows than a batch",
    "instruction that the model does not take",
    "same row again",
    "same query again",
    "positive that is a negative too",
    "positive that is the query",
    "same pair with another score",
    "score off the scales",
    "scores that are all equal",
    "instruction of a document",
    "files on several scales",
]
LEVELS: Mapping[Kind, Level] = {
    "malformed row": "error",
    "no rows": "error",
    "fewer rows than a batch": "error",
    "instruction that the model does not take": "error",
    "same row again": "warning",
    "same query again": "warning",
    "positive that is a negative too": "warning",
    "positive that is the query": "warning",
    "same pair with another score": "warning",
    "score off the scales": "warning",
    "scores that are all equal": "warning",
    "instruction of a document": "warning",
    "files on several scales": "note",
}
"""``error``: it cannot be trained on. ``warning``: training would run, and not do what was meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found.

    Attributes:
        level: How bad it is.
        kind: What it is.
        count: How often.
        examples: The first few, each with file and line where it is a row's, a line of text each.
    """

    level: Level
    kind: Kind
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long texts are, with the prompts that training puts before them where tokens are counted.

    Attributes:
        unit: ``tokens`` or ``characters``.
        count: Number of texts.
        median: Half of the texts are no longer.
        p90: 90 % are no longer.
        p99: 99 % are no longer.
        longest: The longest.
        limit: What is read of a text. None: not known.
        cut: Share of texts that are longer, from 0 to 1. None: not known.
    """

    unit: str
    count: int
    median: int
    p90: int
    p99: int
    longest: int
    limit: int | None = None
    cut: float | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a task's rows: their number, the lowest and the highest."""

    count: int
    lowest: float
    highest: float

    @classmethod
    def of(cls, scores: Sequence[float], before: Scores | None = None) -> Scores | None:
        """Those of some scores, beside those before. None: there are none."""
        if not scores:
            return before
        if before is None:
            return cls(len(scores), min(scores), max(scores))
        return cls(before.count + len(scores), min(before.lowest, *scores), max(before.highest, *scores))


@dataclass(frozen=True, slots=True)
class FileReport:
    """What is in a file.

    Attributes:
        path: The file.
        rows: Well-formed rows by their task.
        pairs: Pairs of the rows of ``sts``: each of their positives and negatives is one with the query.
        queries: How long queries are. None: there are none.
        documents: Likewise positives and negatives.
        scores: Scores by task; of ``ir`` and ``cls`` a teacher's.
        findings: What was found, the worst first.
    """

    path: str
    rows: Mapping[Task, int]
    pairs: int
    queries: Lengths | None
    documents: Lengths | None
    scores: Mapping[Task, Scores]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What is in some files.

    Attributes:
        files: A report for each.
        findings: What was found of them together.
    """

    files: tuple[FileReport, ...]
    findings: tuple[Finding, ...]

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Those of the files, then those of all together."""
        return (*(finding for file in self.files for finding in file.findings), *self.findings)

    @property
    def errors(self) -> int:
        """How many findings cannot be trained on."""
        return sum(finding.count for finding in self.all_findings if finding.level == "error")
