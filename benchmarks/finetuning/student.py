"""The student: all-MiniLM-L6-v2's first three layers. And how good a model is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import youtu_st
from finetuning.data import Files, corpus_of, queries_of
from youtu_st import Encoder
from youtu_st.evaluation.ranking import ndcg
from youtu_st.evaluation.sts import cosine_spearman
from youtu_st.training.data.rows import Row, read_rows

LAYERS = 3
DEPTH = 10
READ = 64
"""Tokens of a text that are read when a model is measured."""
SOME = 600
"""Documents among which learning rate and temperature are chosen."""


@dataclass(frozen=True)
class Figures:
    """Spearman's correlation on STS Benchmark, and nDCG@10 on SciFact."""

    sts: float
    ndcg: float

    @property
    def mean(self) -> float:
        """Of both."""
        return (self.sts + self.ndcg) / 2


def cut(folder: Path) -> Path:
    """Write the student."""
    model: Any = youtu_st.load("minilm", device="cpu")
    network = model[0].model
    network.encoder.layer = network.encoder.layer[:LAYERS]
    network.config.num_hidden_layers = LAYERS
    model.save_pretrained(str(folder))
    return folder


def measure(model: Any, files: Files) -> Figures:
    """On the test parts: 1,379 pairs; 300 queries over all 5,183 documents."""
    encoder = _encoder(model)
    folder = files.data / "scifact"
    corpus, (queries, relevant) = corpus_of(folder), queries_of(folder, "test")
    sts = cosine_spearman(encoder, files.data / "stsbenchmark" / "sts-test.csv")
    return Figures(sts, _ndcg(encoder, queries, corpus, relevant))


def choose_by(model: Any, files: Files) -> Figures:
    """On what is held out: STS Benchmark's development part; a tenth of SciFact's training queries."""
    encoder = _encoder(model)
    rows = [row for _, row in read_rows(files.chosen_by) if isinstance(row, Row)]
    answers = {text.content for row in rows for text in row.positives}
    whole = corpus_of(files.data / "scifact").items()
    corpus = dict([(name, text) for name, text in whole if text in answers])
    corpus |= dict([(name, text) for name, text in whole if text not in answers][: SOME - len(corpus)])
    numbers = {text: name for name, text in corpus.items()}
    queries = {str(i): row.query.content for i, row in enumerate(rows)}
    relevant = {str(i): {numbers[text.content] for text in row.positives} for i, row in enumerate(rows)}
    sts = cosine_spearman(encoder, files.data / "stsbenchmark" / "sts-dev.csv")
    return Figures(sts, _ndcg(encoder, queries, corpus, relevant))


def _encoder(model: Any) -> Encoder:
    model.max_seq_length = READ
    return Encoder(model, truncation="ignore")


def _ndcg(
    encoder: Encoder, queries: dict[str, str], corpus: dict[str, str], relevant: dict[str, set[str]]
) -> float:
    """The mean nDCG@10, every document that answers a query counting 1."""
    names = list(corpus)
    scores = encoder.encode_query(list(queries.values())) @ encoder.encode_document(list(corpus.values())).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    found = zip(queries, order, strict=True)
    return float(np.mean([ndcg([names[i] for i in row], relevant[name], k=DEPTH) for name, row in found]))
