"""What every objective does around its formula: encode the columns, gather, refuse what is not finite."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import all_gather, all_gather_with_grad, get_world_size
from torch import Tensor, nn

from youtu_st.errors import NonFiniteError

Labels = Mapping[str, Tensor]
"""What a batch holds beside its texts, see :class:`~youtu_st.training.collator.TaskCollator`."""
ROWS = "rows"
"""Lines of the rows in their file, of every batch."""
NEVER = -1e30
"""A logit that no softmax sees, and that has a gradient of zero where there is nothing else."""


class Objective(nn.Module, ABC):
    """A loss that sentence-transformers' trainer takes, and that sees the batch of all processes as one.

    The gradient of the mean over processes is then that of one process with the joined batch, to rounding.

    Args:
        model: The model that is trained; the trainer puts its own wrapper of it here.
        name: What messages call the data set that the loss is for.
    """

    def __init__(self, model: SentenceTransformer, *, name: str = "") -> None:
        super().__init__()
        self.model = model
        self.name = name
        self.spread: Tensor | None = None
        """Mean cosine of two different texts of the last batch's first column, a scalar."""
        self.record: Callable[[str, float], None] | None = None
        """Is told the name and the loss of every batch."""

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Labels) -> Tensor:
        """The loss of a batch, a float32 scalar.

        Args:
            sentence_features: One dict of tokens per column.
            labels: See the objective.

        Raises:
            NonFiniteError: If it is none, naming the data set and the rows.
        """
        vectors = [self.model(features)["sentence_embedding"] for features in sentence_features]
        return self.checked(self.compute_loss_from_embeddings(vectors, labels), labels, vectors)

    @abstractmethod
    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Labels) -> Tensor:
        """The loss of vectors, ``(rows, dimension)`` for each column, of any length."""

    def checked(self, loss: Tensor, labels: Labels, embeddings: Sequence[Tensor] = ()) -> Tensor:
        """The loss, if it is finite.

        Raises:
            NonFiniteError: As :meth:`forward`.
        """
        if embeddings:
            self.spread = mean_cosine(embeddings[0].detach())
        if not torch.isfinite(loss):
            rows = labels[ROWS].flatten().tolist() if ROWS in labels else []
            shown = ", ".join(map(str, rows[:10])) + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")
            raise NonFiniteError(
                f"the loss is {loss.item()} in data set {self.name!r}, rows {shown or 'unknown'}: a smaller "
                "learning rate or train.precision=fp32 may help, if the rows are sound"
            )
        if self.record is not None:
            self.record(self.name, loss.item())
        return loss


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1, float32 at least: ``(n, dimension)`` each."""
    wide = vectors if vectors.dtype == torch.float64 else vectors.float()
    return nn.functional.normalize(wide, dim=-1)


def gathered(vectors: Tensor) -> Tensor:
    """The same tensor of all processes, one after the other; gradients find their way back."""
    if get_world_size() == 1:
        return vectors
    everywhere: Tensor = all_gather_with_grad(vectors.contiguous())
    return everywhere


def gathered_facts(facts: Tensor) -> Tensor:
    """As :func:`gathered`, of what has no gradient."""
    if get_world_size() == 1:
        return facts
    everywhere: Tensor = all_gather(facts.contiguous())
    return everywhere


def zero(*tensors: Tensor) -> Tensor:
    """A loss of zero whose gradient of zero reaches every parameter: processes would wait for it for ever."""
    total = sum((tensor.float().sum() for tensor in tensors), torch.zeros((), device=tensors[0].device))
    return total * 0.0


def mean_cosine(vectors: Tensor) -> Tensor:
    """Mean cosine of two different rows of ``(n, dimension)``; of one row, 0. Near 1, they have collapsed."""
    rows = unit(vectors)
    n = len(rows)
    return (rows.sum(dim=0).square().sum() - n) / max(n * (n - 1), 1) if n > 1 else rows.new_zeros(())
