"""InfoNCE with several positives, and candidates that are told apart by their text and class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses import CachedLossMixin
from sentence_transformers.util import get_rank
from torch import Tensor
from torch.nn.functional import softplus

from youtu_st.training.objectives.objective import (
    NEVER,
    Labels,
    Objective,
    gathered,
    gathered_facts,
    mean_cosine,
    unit,
)

CANDIDATES = "candidates"
"""``(rows, group)``: which row of the second column a candidate is, positives first; -1: none."""
CANDIDATE_KEYS = "candidate_keys"
"""``(rows, group)``: keys of the candidates' texts."""
QUERY_KEYS = "query_keys"
"""``(rows,)``: keys of the queries' texts."""
KNOWN = "known"
"""``(rows, any)``: keys of the query's text and of all its positives, those that were not drawn too."""
POSITIVES = "positives"
"""A scalar: how many of a group are positives."""
CLASSES = "classes"
"""``(rows,)``: keys of the queries' classes; absent where classes do not matter."""
CANDIDATE_CLASSES = "candidate_classes"
"""``(rows, group)``: keys of the candidates' classes; 0 where one is not known."""


@dataclass(frozen=True)
class _Batch:
    """What all processes hold together; ``n`` rows of this process, ``m`` of all, ``g`` candidates a row."""

    queries: Tensor  # (n, dimension)
    everyone: Tensor  # (m, dimension): the queries of all
    candidates: Tensor  # (m * g, dimension)
    absent: Tensor  # (m, g), bool
    labels: Labels  # of this process's rows
    candidate_keys: Tensor  # (m, g)
    query_keys: Tensor  # (m,)
    candidate_classes: Tensor | None  # (m, g)
    positives: int


class InfoNCELoss(Objective):
    r"""InfoNCE over the candidates of all processes, averaged over a query's positives.

    With cosines :math:`s`, temperature :math:`\tau`, query :math:`i` and its :math:`k`-th positive of
    :math:`P`:

    .. math::
        -\frac{1}{P} \sum_k \log \frac{e^{s(i, p_{ik}) / \tau}}
        {e^{s(i, p_{ik}) / \tau} + \sum_{c \in C_{ik}} e^{s(i, c) / \tau}}

    :math:`C_{ik}`: the :math:`k`-th positives of the other queries and the hard negatives of all. What is no
    negative of :math:`i` is left out of it: every text that is one of its positives or the query itself,
    and of classification data whatever has the query's class. With ``query_query``, the other queries join
    it. From CoDiEmb (arXiv 2508.11442) and, with masks and queries, QZhou-Embedding (arXiv 2508.21632);
    with one positive and nothing masked, the host's ``MultipleNegativesRankingLoss``.

    Columns: queries ``(n, dimension)``, and each text that is a candidate in this batch once. Labels:
    the names of this module.

    Args:
        model: As for :class:`~youtu_st.training.objectives.objective.Objective`.
        name: Likewise.
        temperature: :math:`\tau`.
        query_query: Whether other queries are negatives too.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        name: str = "",
        temperature: float = 0.02,
        query_query: bool = False,
    ) -> None:
        super().__init__(model, name=name)
        self.temperature = temperature
        self.query_query = query_query

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Labels) -> Tensor:
        """The loss of queries and candidates, a scalar."""
        batch = self._batch(unit(embeddings[0]), unit(embeddings[1]), labels)
        return self._losses(batch, slice(None)).mean()

    def _batch(self, queries: Tensor, candidates: Tensor, labels: Labels) -> _Batch:
        which = labels[CANDIDATES]
        rows = candidates[which.clamp(min=0).flatten()]
        classes = labels.get(CANDIDATE_CLASSES)
        return _Batch(
            queries=queries,
            everyone=gathered(queries) if self.query_query else queries,
            candidates=gathered(rows),
            absent=gathered_facts(which < 0),
            labels=labels,
            candidate_keys=gathered_facts(labels[CANDIDATE_KEYS]),
            query_keys=gathered_facts(labels[QUERY_KEYS]),
            candidate_classes=None if classes is None else gathered_facts(classes),
            positives=int(labels[POSITIVES]),
        )

    def _losses(self, batch: _Batch, rows: slice) -> Tensor:
        """The loss of some of this process's rows, each."""
        positives = batch.positives
        logits = self._logits(batch.queries[rows], batch.candidates)
        n, (m, group) = len(logits), batch.candidate_keys.shape
        logits = logits.view(n, m, group)
        numbers = torch.arange(m, device=logits.device)
        first = get_rank() * len(batch.queries)
        own = numbers[first : first + len(batch.queries)][rows]
        mine = logits[torch.arange(n, device=logits.device), own, :positives]  # (n, positives)
        logits = logits.masked_fill(self._no_negatives(batch, rows), NEVER)
        others = logits[:, :, :positives].logsumexp(dim=1)  # (n, positives)
        if positives < group:
            others = torch.logaddexp(others, logits[:, :, positives:].flatten(1).logsumexp(1, keepdim=True))
        if self.query_query:
            between = self._logits(batch.queries[rows], batch.everyone)
            same = _among(batch.query_keys, batch.labels[KNOWN][rows])
            others = torch.logaddexp(others, between.masked_fill(same, NEVER).logsumexp(1, keepdim=True))
        return softplus(others - mine).mean(dim=1)

    def _logits(self, queries: Tensor, candidates: Tensor) -> Tensor:
        return queries @ candidates.T / self.temperature

    def _no_negatives(self, batch: _Batch, rows: slice) -> Tensor:
        """Which candidates are no negatives of some of the rows: ``(rows, m, g)``, bool."""
        found = _among(batch.candidate_keys.flatten(), batch.labels[KNOWN][rows])
        if batch.candidate_classes is not None:
            classes = batch.candidate_classes.flatten()
            found |= (classes == batch.labels[CLASSES][rows, None]) & (classes != 0)
        return found.view(len(found), *batch.absent.shape) | batch.absent


class CachedInfoNCELoss(CachedLossMixin, InfoNCELoss):
    """:class:`InfoNCELoss` in the memory of a small batch, whatever the batch (GradCache, arXiv 2101.06983).

    Vectors are computed without a graph, their gradients are kept, and the network runs once more for them,
    ``mini_batch_size`` texts at a time. The loss itself is computed for as many queries at a time.

    Args:
        model: As for :class:`InfoNCELoss`.
        mini_batch_size: Texts whose activations are in memory together.
        **settings: As for :class:`InfoNCELoss`.
    """

    def __init__(self, model: SentenceTransformer, *, mini_batch_size: int = 32, **settings: Any) -> None:
        InfoNCELoss.__init__(self, model, **settings)
        self.mini_batch_size = mini_batch_size

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Labels) -> Tensor:
        """As :meth:`InfoNCELoss.forward`."""
        labels_of_host: Any = labels
        loss: Tensor = self.forward_cached(list(sentence_features), labels_of_host)
        return self.checked(loss, labels)

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Any = None, *, with_backward: bool = False
    ) -> Tensor:
        """The loss of vectors in parts; with ``with_backward``, their gradients too."""
        whole = [torch.cat(parts) for parts in reps]
        self.spread = mean_cosine(whole[0].detach())
        batch = self._batch(unit(whole[0]), unit(whole[1]), labels)
        # Each chunk goes back to these leaves, and all of them once through what was gathered.
        queries, everyone, candidates = map(_leaf, (batch.queries, batch.everyone, batch.candidates))
        shared = batch.everyone is batch.queries
        leaves = replace(
            batch, queries=queries, everyone=queries if shared else everyone, candidates=candidates
        )
        n = len(queries)
        total = queries.new_zeros(())
        for start in range(0, n, self.mini_batch_size):
            loss = self._losses(leaves, slice(start, min(start + self.mini_batch_size, n))).sum() / n
            if with_backward:
                loss.backward()  # type: ignore[no-untyped-call]  # untyped in the host
            total = total + loss.detach()
        if with_backward:
            pairs = [(batch.queries, queries), (batch.candidates, candidates)]
            if not shared:
                pairs.append((batch.everyone, everyone))
            torch.autograd.backward(
                [tensor for tensor, _ in pairs],
                [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for _, leaf in pairs],
            )
        return total


def _among(keys: Tensor, known: Tensor) -> Tensor:
    """Whether each key is one of a row's known ones: ``(m,)`` and ``(rows, any)`` to ``(rows, m)``."""
    found = torch.zeros(len(known), len(keys), dtype=torch.bool, device=keys.device)
    for column in known.unbind(1):
        found |= keys == column[:, None]
    return found


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_()
