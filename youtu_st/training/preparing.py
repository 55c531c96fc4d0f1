"""A recipe and its files, checked and counted before any model is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from youtu_st.errors import InputError
from youtu_st.spec.registry import expanded
from youtu_st.training.collator import Batching
from youtu_st.training.data.rows import Task
from youtu_st.training.data.store import TrainingSet, prepare, scale_of
from youtu_st.training.recipe import DataFile, Recipe
from youtu_st.training.sampling.plan import DataSet, Plan
from youtu_st.training.tasks import ContrastTask, PairTask


@dataclass(frozen=True)
class Prepared:
    """What is trained on, and in which steps.

    Attributes:
        recipe: The recipe.
        sets: The data sets, in the order of the plan's.
        held_out: Those that are measured.
        plan: An epoch's steps.
        scales: Lowest and highest score of a pair, by the name of a data set.
    """

    recipe: Recipe
    sets: tuple[TrainingSet, ...]
    held_out: tuple[TrainingSet, ...]
    plan: Plan
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        train = self.recipe.train
        steps = math.ceil(train.epochs * self.plan.total)
        return steps if train.max_steps is None else min(steps, train.max_steps)

    def batching(self, found: TrainingSet) -> Batching:
        """How rows of a data set become a batch."""
        use = self.recipe.instructions == "use"
        way = self.recipe.tasks.of(found.task)
        if isinstance(way, PairTask):
            return Batching(found.task, 0, 0, scale=self.scales[found.name], instructions=use)
        return Batching(
            found.task,
            positives=min(way.positives, found.most_positives),
            negatives=min(way.negatives, found.most_negatives),
            taught=way.loss == "distillation",
            instructions=use,
        )


def prepare_run(recipe: Recipe, *, ranks: int = 1) -> Prepared:
    """Read the files of a recipe, and plan.

    Args:
        recipe: What to do.
        ranks: Processes that train together.

    Raises:
        InputError: If there is no model or no data, two data sets have one name, a data set is too small,
            its scores are on no known scale, or its rows lack what their loss needs.
        RowError: If a row is malformed.
    """
    if recipe.model is None:
        raise InputError("which model is to be trained? --set model=NAME, a directory or a hub id")
    if not recipe.data:
        raise InputError("there is nothing to train on: --set data=FILE.jsonl, or several with commas")
    sets, chosen = _read(recipe.data, recipe.only)
    if not sets:
        raise InputError(
            f"of the tasks {', '.join(recipe.only)}, which alone are trained on, there is no row"
        )
    scales = {}
    for found, file in zip(sets, chosen, strict=True):
        _check_fits(recipe, found, file)
        if found.task == "sts":
            scales[found.name] = scale_of(found, file.scores)
    plan = Plan(
        data_sets=tuple(
            DataSet(
                name=found.name,
                rows=found.rows,
                batch_size=file.batch_size or recipe.tasks.of(found.task).batch_size,
                weight=file.weight,
            )
            for found, file in zip(sets, chosen, strict=True)
        ),
        ranks=ranks,
        accumulation=recipe.train.accumulation,
        seed=recipe.train.seed,
        temperature=recipe.sampling.temperature,
    )
    held_out, _ = _read(recipe.evaluation.data)
    digests = {found.digest: found.name for found in sets}
    for found in held_out:
        if found.digest in digests:
            raise InputError(
                f"evaluation.data: {found.source} has the content of data set {digests[found.digest]!r}, "
                "which is trained on"
            )
        if found.task == "sts" and found.lowest == found.highest:
            raise InputError(
                f"evaluation.data: all pairs of {found.source} have the score {found.lowest:g}: "
                "no correlation can be measured"
            )
    return Prepared(recipe, tuple(sets), tuple(held_out), plan, scales)


def _read(files: Sequence[DataFile], only: Sequence[Task] = ()) -> tuple[list[TrainingSet], list[DataFile]]:
    sets: list[TrainingSet] = []
    chosen: list[DataFile] = []
    for file in files:
        for found in prepare(expanded(file.path), file.name):
            if only and found.task not in only:
                continue
            if found.name in [one.name for one in sets]:
                raise InputError(
                    f"two data sets are called {found.name!r}: name them, as in "
                    f"data=[{{path: {file.path}, name: NAME}}, ...]"
                )
            sets.append(found)
            chosen.append(file)
    return sets, chosen


def _check_fits(recipe: Recipe, found: TrainingSet, file: DataFile) -> None:
    way = recipe.tasks.of(found.task)
    if isinstance(way, ContrastTask):
        if file.scores is not None:
            raise InputError(f"data set {found.name!r}: scores are of pairs, and it has none")
        if way.loss == "distillation" and not found.taught:
            raise InputError(
                f"data set {found.name!r}: distillation needs a teacher's score for every positive and "
                f"negative: youtu-st data score {found.source} --reranker NAME --out FILE"
            )
        if way.loss == "distillation" and way.positives + min(way.negatives, found.most_negatives) < 2:
            raise InputError(f"data set {found.name!r}: distillation needs two candidates a row")
