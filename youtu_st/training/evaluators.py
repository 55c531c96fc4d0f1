"""Held-out rows as sentence-transformers' own evaluators, with each row's own prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator, SequentialEvaluator
from sentence_transformers.sentence_transformer.evaluation import (
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
)
from torch import Tensor

from youtu_st.training.collator import CANDIDATES, FIRST, QUERY, SECOND, Batching, TaskCollator
from youtu_st.training.data.store import TrainingSet
from youtu_st.training.preparing import Prepared

Prompted = tuple[str, str]
"""A prompt, and the text that it stands before."""


class PairEvaluator(EmbeddingSimilarityEvaluator):
    """The host's, of texts with a prompt each."""

    def embed_inputs(self, model: SentenceTransformer, sentences: Any, **kwargs: Any) -> Any:
        """Vectors of :data:`Prompted` texts, ``(n, dimension)``, in an array."""
        return encoded(model, sentences, self.batch_size).cpu().numpy()


class RetrievalEvaluator(InformationRetrievalEvaluator):
    """The host's, of texts with a prompt each."""

    def embed_inputs(
        self,
        model: SentenceTransformer,
        sentences: Any,
        encode_fn_name: str | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Vectors of :data:`Prompted` texts, a tensor ``(n, dimension)``."""
        return encoded(model, sentences, self.batch_size)


def encoded(model: SentenceTransformer, texts: Sequence[Prompted], batch_size: int) -> Tensor:
    """Unit rows of texts under their prompts, float32 ``(n, dimension)``."""
    rows: dict[str, list[int]] = {}
    for i, (prompt, _) in enumerate(texts):
        rows.setdefault(prompt, []).append(i)
    vectors: Tensor | None = None
    for prompt, chosen in rows.items():
        found: Tensor = model.encode(
            [texts[i][1] for i in chosen],
            prompt=prompt,
            batch_size=batch_size,
            show_progress_bar=False,
            convert_to_tensor=True,
            normalize_embeddings=True,
        )
        if vectors is None:
            vectors = found.new_empty(len(texts), found.shape[1])
        vectors[torch.tensor(chosen, device=found.device)] = found
    assert vectors is not None  # there is no evaluator without a text
    return vectors.float()


def evaluator_of(prepared: Prepared, collator: TaskCollator) -> BaseEvaluator | None:
    """All that is held out, and the mean of what it gives; None where nothing is.

    Of scored pairs Spearman's correlation, of others nDCG@10 over all texts of the data set.
    """
    made = [_evaluator(prepared, found, collator) for found in prepared.held_out]
    return SequentialEvaluator(made, main_score_function=_mean) if made else None


def _mean(scores: Sequence[float]) -> float:
    return float(np.mean(scores))


def _evaluator(prepared: Prepared, found: TrainingSet, collator: TaskCollator) -> BaseEvaluator:
    way = prepared.recipe.tasks.of(found.task)
    settings: dict[str, Any] = {
        "name": found.name.replace(":", "-"),
        "batch_size": way.batch_size,
        "write_csv": False,
    }
    use = prepared.recipe.instructions == "use"
    rows = found.dataset()
    if found.task == "sts":
        columns, _ = collator.texts(list(rows), Batching("sts", 0, 0, instructions=use))
        first, second = (_prompted(*columns[column]) for column in (FIRST, SECOND))
        scores = list(rows["score"])
        return PairEvaluator(first, second, scores, main_similarity="cosine", **settings)  # type: ignore[arg-type]
    # All texts of the data set, whatever is drawn in training.
    batching = Batching(found.task, found.most_positives, found.most_negatives, instructions=use)
    queries: dict[str, Any] = {}
    corpus: dict[str, Any] = {}
    numbers: dict[Prompted, str] = {}
    relevant: dict[str, set[str]] = {}
    for row in rows:
        columns, labels = collator.texts([row], batching)
        (query,) = _prompted(*columns[QUERY])
        candidates = _prompted(*columns[CANDIDATES])
        ids = [numbers.setdefault(one, f"d{len(numbers)}") for one in candidates]
        corpus.update(zip(ids, candidates, strict=True))
        name = f"q{len(queries)}"
        queries[name] = query
        drawn = labels["candidates"][0, : batching.positives].tolist()
        relevant[name] = {ids[i] for i in drawn if i >= 0}
    return RetrievalEvaluator(queries, corpus, relevant, main_score_function="cosine", **settings)


def _prompted(texts: Sequence[str], prompts: Sequence[str]) -> list[Prompted]:
    return list(zip(prompts, texts, strict=True))
