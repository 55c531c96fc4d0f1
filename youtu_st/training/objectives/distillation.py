"""Distillation: a query's candidates in the proportions that a teacher gives them."""

from __future__ import annotations

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss
from torch import Tensor

from youtu_st.training.objectives.contrastive import CANDIDATES
from youtu_st.training.objectives.objective import Labels, Objective, unit, zero

TEACHER_SCORES = "teacher_scores"
"""``(rows, group)``: what a teacher gives each candidate."""


class DistillationLoss(Objective):
    """The host's ``DistillKLDivLoss`` over each query's own candidates; a row that has too few counts as 0.

    Columns and labels as for :class:`~youtu_st.training.objectives.contrastive.InfoNCELoss`, and
    :data:`TEACHER_SCORES`.

    Args:
        model: As for :class:`~youtu_st.training.objectives.objective.Objective`.
        name: Likewise.
        temperature: Of the student's cosines.
        teacher_temperature: Of the teacher's scores.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        name: str = "",
        temperature: float = 0.02,
        teacher_temperature: float = 1.0,
    ) -> None:
        super().__init__(model, name=name)
        host = DistillKLDivLoss(
            model, student_temperature=temperature, teacher_temperature=teacher_temperature
        )
        self._host = (host,)  # in a tuple: the trainer need not put its model there too

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Labels) -> Tensor:
        """The loss of queries and candidates, a scalar."""
        queries, candidates = map(unit, embeddings)
        which, scores = labels[CANDIDATES], labels[TEACHER_SCORES]
        whole = (which >= 0).all(dim=1)
        if which.shape[1] < 2 or not whole.any():
            return zero(queries, candidates)
        columns = [candidates[column] for column in which[whole].unbind(1)]
        loss: Tensor = self._host[0].compute_loss_from_embeddings([queries[whole], *columns], scores[whole])
        return loss * whole.to(loss).mean() + zero(queries, candidates)
