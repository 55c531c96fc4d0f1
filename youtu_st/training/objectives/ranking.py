"""Losses over scored pairs, from cosines and scores, ``(n,)`` each: do cosines rank them as people did?"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softmax

from youtu_st.training.objectives.objective import NEVER, zero

_LEAST_NORM = 1e-6
"""Of what is left of values when their mean is taken off: less is rounding, and they are all alike."""
_LEAST_DIFFERENCE = 1e-8
"""Of two scores that are not the same."""


class PearsonLoss(nn.Module):
    r"""One less Pearson's correlation: :math:`1 - r(x, y)`; of values that are all alike, 0.

    From CoDiEmb (arXiv 2508.11442).
    """

    def forward(self, predicted: Tensor, gold: Tensor) -> Tensor:
        """A scalar from 0 to 2."""
        x, y = predicted - predicted.mean(), gold - gold.mean()
        lengths = torch.stack([x.norm(), y.norm()])
        if len(x) < 2 or lengths[0] < _LEAST_NORM or lengths[1] < _LEAST_NORM:
            return zero(predicted)
        return 1.0 - (x * y).sum() / lengths.prod()


class RankKLLoss(nn.Module):
    r"""Kullback-Leibler divergence of the cosines' softmax from that of the scores' ranks.

    With ranks :math:`r_i` from 0, the highest score first, equal scores sharing the mean of theirs, and
    :math:`n` pairs: :math:`\frac{1}{n} KL(softmax(\frac{n - 1 - r}{n - 1} / \tau) \| softmax(s / \tau))`.
    From CoDiEmb (arXiv 2508.11442), the division by :math:`n` from its code.

    Args:
        temperature: :math:`\tau`.
    """

    def __init__(self, temperature: float = 0.05) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, predicted: Tensor, gold: Tensor) -> Tensor:
        """A scalar."""
        n = len(gold)
        if n < 2:
            return zero(predicted)
        above = (gold[None, :] > gold[:, None]).sum(dim=1)
        alike = (gold[None, :] == gold[:, None]).sum(dim=1)
        ranks = above + (alike - 1) / 2
        ideal = softmax(((n - 1 - ranks) / (n - 1)).to(predicted) / self.temperature, dim=0)
        found = log_softmax(predicted / self.temperature, dim=0)
        return nn.functional.kl_div(found, ideal, reduction="sum") / n


class PROLoss(nn.Module):
    r"""Preference ranking: each pair above all that were scored lower, the farther the more.

    For a pair :math:`k` with lower ones :math:`L_k`, :math:`d_{kj} = y_k - y_j` and
    :math:`d_k = \max_j d_{kj}`:

    .. math::
        -\log \frac{e^{d_k s_k / \tau}}{e^{d_k s_k / \tau} + \sum_{j \in L_k} e^{d_{kj} s_j / \tau}}

    averaged over the pairs that have lower ones; 0 where none has. From CoDiEmb (arXiv 2508.11442), which
    adapts PRO (arXiv 2306.17492). One masked matrix of ``n * n``, no loop.

    Args:
        temperature: :math:`\tau`.
    """

    def __init__(self, temperature: float = 0.05) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, predicted: Tensor, gold: Tensor) -> Tensor:
        """A scalar."""
        differences = gold[:, None] - gold[None, :]
        lower = differences > _LEAST_DIFFERENCE
        counted = lower.any(dim=1)
        if not counted.any():
            return zero(predicted)
        scaled = predicted / self.temperature
        below = (differences * scaled[None, :]).masked_fill(~lower, NEVER).logsumexp(dim=1)
        own = differences.amax(dim=1) * scaled
        losses = nn.functional.softplus(below - own)
        return losses[counted].mean()


class CoSENTLoss(nn.Module):
    r"""CoSENT: :math:`\log(1 + \sum_{y_i > y_j} e^{(s_j - s_i) / \tau})`.

    From https://kexue.fm/archives/8847, as QZhou-Embedding (arXiv 2508.21632) uses it; the host's
    ``CoSENTLoss``, over the pairs of all processes.

    Args:
        temperature: :math:`\tau`.
    """

    def __init__(self, temperature: float = 0.05) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, predicted: Tensor, gold: Tensor) -> Tensor:
        """A scalar."""
        scaled = predicted / self.temperature
        higher = gold[:, None] > gold[None, :]
        between = (scaled[None, :] - scaled[:, None]).masked_fill(~higher, NEVER).flatten()
        return nn.functional.softplus(between.logsumexp(dim=0))
