"""How rows of each task are trained on: the part of a recipe that objectives and batches follow."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from youtu_st.errors import did_you_mean
from youtu_st.spec.registry import Count, Declared
from youtu_st.training.data.rows import Task

Some = Annotated[int, Field(ge=0, lt=1 << 31)]
Contrast = Literal["infonce", "cached-infonce", "distillation"]
Ranking = Literal["codiemb", "cosent"]


def one_of(kind: Any) -> BeforeValidator:
    """A name among some, told with the nearest where it is another."""
    known = get_args(kind)

    def check(value: Any) -> Any:
        if value not in known:
            raise ValueError(f"{did_you_mean(value, known)}it must be one of {', '.join(known)}")
        return value

    return BeforeValidator(check)


class ContrastTask(Declared):
    """How rows of ``ir`` or ``cls`` are trained on.

    Attributes:
        batch_size: Rows a device and a forward pass.
        positives: Drawn from a row, every epoch anew.
        negatives: Likewise; 0: the other rows' texts only.
        loss: ``infonce``, the same ``cached-infonce`` in less memory, or ``distillation`` of a teacher's
            scores.
        temperature: Of the cosines.
        query_query: Whether other queries are negatives too.
        mini_batch_size: Texts in memory together, of ``cached-infonce``.
        teacher_temperature: Of the teacher's scores.
    """

    batch_size: Count = 32
    positives: Count = 1
    negatives: Some = 4
    loss: Annotated[Contrast, one_of(Contrast)] = "infonce"
    temperature: PositiveFloat = 0.02
    query_query: bool = False
    mini_batch_size: Count = 32
    teacher_temperature: PositiveFloat = 1.0


class PairTask(Declared):
    """How scored pairs, ``sts``, are trained on.

    Attributes:
        batch_size: Pairs a device and a forward pass.
        loss: ``codiemb``: Pearson, rank-KL and PRO; or ``cosent``.
        pearson: Weight in ``codiemb``.
        rank_kl: Likewise.
        pro: Likewise.
        temperature: Of the cosines.
        middle_layer: Weight of InfoNCE on the layer in the middle, for pairs with the highest score.
        middle_temperature: Of its cosines.
    """

    batch_size: Count = 32
    loss: Annotated[Ranking, one_of(Ranking)] = "codiemb"
    pearson: NonNegativeFloat = 2.0
    rank_kl: NonNegativeFloat = 5.0
    pro: NonNegativeFloat = 0.5
    temperature: PositiveFloat = 0.05
    middle_layer: NonNegativeFloat = 0.0
    middle_temperature: PositiveFloat = 0.02

    @model_validator(mode="after")
    def _something(self) -> PairTask:
        if self.loss == "codiemb" and not self.pearson + self.rank_kl + self.pro:
            raise ValueError("pearson, rank_kl and pro are all 0: nothing would be learnt")
        return self


class Tasks(Declared):
    """One way of training for each task.

    Attributes:
        ir: Retrieval.
        sts: Scored pairs.
        cls: Classification.
    """

    ir: ContrastTask = ContrastTask()
    sts: PairTask = PairTask()
    cls: ContrastTask = ContrastTask()

    def of(self, task: Task) -> ContrastTask | PairTask:
        """The one of a task."""
        found: ContrastTask | PairTask = getattr(self, task)
        return found
