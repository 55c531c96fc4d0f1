"""How one tensor of several checkpoints becomes one. Pure: all arguments and results are in one dtype."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Method = Callable[[Tensor, Sequence[Tensor], Sequence[float]], Tensor]
"""Of the base's tensor, the checkpoints' and their weights, element by element: any part goes on its own."""


def delta(base: Tensor, checkpoints: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    r"""Delta-guided fusion: an element is most that checkpoint's which moved it farthest from the base.

    With :math:`\Delta_k = \theta_k - \theta_0` and the tasks' weights :math:`\alpha_k`, per element:

    .. math:: \theta = \theta_0 + \sum_k w_k \Delta_k, \quad
              w_k = \alpha_k |\Delta_k| / \sum_j \alpha_j |\Delta_j|

    An element that no checkpoint moved is the base's. Where one did, the shares :math:`w_k` sum to one, and
    the same is written as :math:`\sum_k w_k \theta_k`, which gives equal checkpoints back to the last bit.

    Source: CoDiEmb, `arXiv 2508.11442 <https://arxiv.org/abs/2508.11442>`_, delta-guided model fusion.
    """
    alphas = _scaled(weights)
    moved = [alpha * (tensor - base).abs() for tensor, alpha in zip(checkpoints, alphas, strict=True)]
    total = _sum(moved)
    safe = torch.where(total > 0, total, 1)
    # A share before its product: the product alone may be too small a number for the dtype.
    mean = _sum([part / safe * tensor for part, tensor in zip(moved, checkpoints, strict=True)])
    return torch.where(total > 0, mean, base)


def soup(base: Tensor, checkpoints: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted mean of the checkpoints; the base counts for nothing.

    Source: Model soups, `arXiv 2203.05482 <https://arxiv.org/abs/2203.05482>`_.
    """
    return _sum([share * tensor for tensor, share in zip(checkpoints, _scaled(weights), strict=True)])


def task_arithmetic(base: Tensor, checkpoints: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The base and all that was learned on top of it: the weighted sum of the differences.

    Source: Editing models with task arithmetic, `arXiv 2212.04089 <https://arxiv.org/abs/2212.04089>`_.
    """
    moved = [weight * (tensor - base) for tensor, weight in zip(checkpoints, weights, strict=True)]
    return base + _sum(moved)


def _scaled(weights: Sequence[float]) -> list[float]:
    """Weights that sum to one, of which only the proportions count."""
    total = sum(weights)
    return [weight / total for weight in weights]


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    total = tensors[0].clone()
    for tensor in tensors[1:]:
        total += tensor
    return total


METHODS: dict[str, Method] = {"delta": delta, "soup": soup, "task-arithmetic": task_arithmetic}
"""The methods of this package, by name."""
