"""Published figures, reproduced: the example of a model card, and scores on public data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sentence_transformers import SentenceTransformer

from youtu_st.encoder import Encoder
from youtu_st.errors import YoutuError
from youtu_st.evaluation.sts import cosine_spearman
from youtu_st.protocol import TextEncoder
from youtu_st.spec.model import ModelSpec
from youtu_st.verification.finding import Finding, judge, skipped

TASKS = {"stsbenchmark": Path("stsbenchmark", "sts-test.csv")}
"""Where the data of a task are, inside the directory of ``--data``."""


@dataclass(frozen=True, slots=True)
class Score:
    """A figure that was published, and what is found here.

    Attributes:
        what: What it is the figure of.
        found: Here.
        published: There.
        tolerance: Largest difference that still counts as equal.
        source: Where it was published.
    """

    what: str
    found: float
    published: float
    tolerance: float
    source: str

    @property
    def difference(self) -> float:
        """Found less published."""
        return self.found - self.published

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance; never for NaN."""
        return abs(self.difference) <= self.tolerance


def check_published(
    model: SentenceTransformer, spec: ModelSpec, data: str | Path | None
) -> tuple[list[Finding], list[Score]]:
    """A spec's published examples and figures, as findings of an examination.

    Raises:
        InputError: As for :func:`run_figures`, which is skipped where ``data`` is None.
    """
    findings: list[Finding] = []
    scores: list[Score] = []
    remedy = "The weights, or what the checks above say, are not what the authors published."
    if spec.examples:
        try:
            scores = run_examples(Encoder(model), spec)
            findings.append(_agreement("published example", scores, remedy))
        except YoutuError as error:
            findings.append(Finding("published example", "off", str(error), remedy=remedy))
    if spec.figures and data is None:
        names = ", ".join(str(TASKS[figure.task]) for figure in spec.figures)
        findings.append(skipped("published figures", f"--data DIR runs them: DIR holds {names}"))
    elif spec.figures and data is not None:
        measured = run_figures(Encoder(model, truncation="ignore", unknown="ignore"), spec, data)
        findings.append(_agreement("published figures", measured, remedy))
        scores = [*scores, *measured]
    return findings, scores


def _agreement(check: str, scores: Sequence[Score], remedy: str) -> Finding:
    widest = max(scores, key=lambda score: abs(score.difference) / score.tolerance)
    found = f"largest difference {abs(widest.difference):.5f}"
    return judge(check, all(score.agrees for score in scores), found, f"at most {widest.tolerance:g}", remedy)


def run_examples(encoder: TextEncoder, spec: ModelSpec) -> list[Score]:
    """The similarities of the spec's published examples, one for each query and document.

    Raises:
        YoutuError: If the model cannot encode them.
    """
    scores = []
    for example in spec.examples:
        found = encoder.encode_query(example.queries) @ encoder.encode_document(example.documents).T
        names = [f"{query} ~ {document}" for query in example.queries for document in example.documents]
        for what, here, there in zip(names, found.flat, chain(*example.scores), strict=True):
            scores.append(Score(what, float(here), there, example.tolerance, example.source))
    return scores


def run_figures(encoder: TextEncoder, spec: ModelSpec, data: str | Path) -> list[Score]:
    """The spec's published figures on data sets.

    Args:
        encoder: The model.
        spec: Its spec.
        data: A directory of data sets: ``stsbenchmark/sts-test.csv``, as its authors publish it.

    Raises:
        InputError: If a file is not there, or not what it should be.
    """
    return [
        Score(
            f"{figure.task}, {figure.metric.replace('_', ' ')}",
            cosine_spearman(encoder, Path(data) / TASKS[figure.task]),
            figure.value,
            figure.tolerance,
            figure.source,
        )
        for figure in spec.figures
    ]
