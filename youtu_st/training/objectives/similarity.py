"""Scored pairs: how well the cosines of all processes' pairs rank them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn.functional import softplus

from youtu_st.training.objectives.objective import (
    NEVER,
    Labels,
    Objective,
    gathered,
    gathered_facts,
    unit,
    zero,
)
from youtu_st.training.objectives.ranking import CoSENTLoss, PearsonLoss, PROLoss, RankKLLoss

SCORES = "scores"
"""``(rows,)``: how alike the two texts of a pair are, from 0 to 1."""
PAIR_KEYS = "pair_keys"
"""``(rows, 2)``: keys of the two texts."""


class SimilarityLoss(Objective):
    """A weighted sum of losses over the cosines of pairs; a weight of 0 leaves one out.

    CoDiEmb's (arXiv 2508.11442) is the default. With ``middle_layer``, its ``multi_layer``: vectors of the
    layer in the middle, ``hidden_states[n // 2]`` of ``n`` with the embeddings, are pooled by the same mask,
    and :func:`middle_infonce` of them is added.

    Columns: first and second texts. Labels: :data:`SCORES`, :data:`PAIR_KEYS`.

    Args:
        model: As for :class:`~youtu_st.training.objectives.objective.Objective`.
        name: Likewise.
        pearson: Weight of :class:`~youtu_st.training.objectives.ranking.PearsonLoss`.
        rank_kl: Weight of :class:`~youtu_st.training.objectives.ranking.RankKLLoss`.
        pro: Weight of :class:`~youtu_st.training.objectives.ranking.PROLoss`.
        cosent: Weight of :class:`~youtu_st.training.objectives.ranking.CoSENTLoss`.
        temperature: Of all of these.
        middle_layer: Weight of InfoNCE on the layer in the middle.
        middle_temperature: Its temperature.
        threshold: The score from which a pair is a positive there.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        name: str = "",
        pearson: float = 2.0,
        rank_kl: float = 5.0,
        pro: float = 0.5,
        cosent: float = 0.0,
        temperature: float = 0.05,
        middle_layer: float = 0.0,
        middle_temperature: float = 0.02,
        threshold: float = 1.0,
    ) -> None:
        super().__init__(model, name=name)
        terms = (
            (pearson, PearsonLoss()),
            (rank_kl, RankKLLoss(temperature)),
            (pro, PROLoss(temperature)),
            (cosent, CoSENTLoss(temperature)),
        )
        self.weights = [weight for weight, _ in terms if weight]
        self.terms = nn.ModuleList(term for weight, term in terms if weight)
        self.middle_layer = middle_layer
        self.middle_temperature = middle_temperature
        self.threshold = threshold
        # In a tuple: they are the model's, not this loss's.
        network: Any = model[0]
        self._network = (network.model,)
        self._after = tuple(list(model)[1:])

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Labels) -> Tensor:
        """As of :class:`~youtu_st.training.objectives.objective.Objective`."""
        if not self.middle_layer:
            return super().forward(sentence_features, labels)
        with _all_layers(self._network[0]):
            outputs = [self.model(features) for features in sentence_features]
        vectors = [output["sentence_embedding"] for output in outputs]
        first, second = (gathered(unit(self._of_middle_layer(output))) for output in outputs)
        loss = self.compute_loss_from_embeddings(vectors, labels)
        extra = middle_infonce(
            first,
            second,
            gathered_facts(labels[SCORES]),
            gathered_facts(labels[PAIR_KEYS]),
            threshold=self.threshold,
            temperature=self.middle_temperature,
        )
        return self.checked(loss + self.middle_layer * extra, labels, vectors)

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Labels) -> Tensor:
        """The loss of first and second texts, a scalar."""
        first, second = map(unit, embeddings)
        cosines = gathered((first * second).sum(dim=1))
        scores = gathered_facts(labels[SCORES]).to(cosines)
        parts = [
            weight * term(cosines, scores) for weight, term in zip(self.weights, self.terms, strict=True)
        ]
        return torch.stack([*parts, zero(cosines)]).sum()

    def _of_middle_layer(self, output: dict[str, Any]) -> Tensor:
        layers: Sequence[Tensor] = output["all_layer_embeddings"]
        features = {**output, "token_embeddings": layers[len(layers) // 2]}
        for module in self._after:
            features = module(features)
        vectors: Tensor = features["sentence_embedding"]
        return vectors


def middle_infonce(
    first: Tensor, second: Tensor, scores: Tensor, keys: Tensor, *, threshold: float, temperature: float
) -> Tensor:
    """InfoNCE of each pair that is scored high enough, among the second texts of all pairs; a scalar.

    Texts that are one of the pair's own are no negatives of it. From CoDiEmb's code (``multi_layer_loss``).

    Args:
        first: Unit rows ``(n, dimension)``.
        second: Likewise.
        scores: ``(n,)``.
        keys: Of both texts of each pair, ``(n, 2)``.
        threshold: The least score of a positive.
        temperature: As in every softmax.
    """
    counted = scores >= threshold
    if not counted.any():
        return zero(first, second)
    logits = first @ second.T / temperature
    known = (keys[None, :, 1] == keys[:, None, 0]) | (keys[None, :, 1] == keys[:, None, 1])
    same = known | torch.eye(len(first), dtype=torch.bool, device=first.device)
    others = logits.masked_fill(same, NEVER).logsumexp(dim=1)
    return softplus(others - logits.diagonal())[counted].mean()


@contextmanager
def _all_layers(network: Any) -> Iterator[None]:
    """Have a network give all its layers, for as long as the block runs."""
    before = network.config.output_hidden_states
    network.config.output_hidden_states = True
    try:
        yield
    finally:
        network.config.output_hidden_states = before
