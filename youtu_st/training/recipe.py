"""Recipes: how a model is trained, as data, strict about names and types; found by name as models are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from youtu_st.errors import InputError, SpecError, brief, did_you_mean
from youtu_st.spec.reading import parse_yaml
from youtu_st.spec.registry import (
    Count,
    Declared,
    configs_directory,
    expanded,
    fields_of,
    is_yaml,
    names,
    validated,
    with_tuples,
)
from youtu_st.training.data.rows import Task
from youtu_st.training.tasks import Some, Tasks, one_of

_FOLDER = "train"
Share = Annotated[float, Field(ge=0, lt=1)]
Epochs = Annotated[float, Field(gt=0, le=100_000)]
Weight = Annotated[float, Field(ge=1e-6, le=1e6)]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Schedule = Literal["linear", "cosine", "constant_with_warmup"]


class DataFile(Declared):
    """A file of rows, see ``docs/training.md``.

    Attributes:
        path: JSONL, as ``youtu-st data convert`` writes it.
        name: What its data set is called. None: the file's name.
        batch_size: Rows a device. None: its task's.
        weight: How often it is chosen, beside others that have one. None: in proportion to its rows.
        scores: Lowest and highest score that a pair could have. None: 0 to 1 or 0 to 5, whichever holds all.
    """

    path: str
    name: str | None = None
    batch_size: Count | None = None
    weight: Weight | None = None
    scores: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _low_to_high(self) -> DataFile:
        if self.scores is not None and self.scores[0] >= self.scores[1]:
            raise ValueError("scores must be the lowest and the highest, in this order")
        if self.scores is not None and not math.isfinite(self.scores[1] - self.scores[0]):
            raise ValueError("scores are too far apart")
        return self


def _files(value: Any) -> Any:
    """``a.jsonl,b.jsonl``, paths, or mappings of :class:`DataFile`."""
    listed = value or ()
    if isinstance(value, str) and value:
        listed = tuple(one.strip() for one in value.split(","))
        if "" in listed:
            raise ValueError("between two commas there is no file")
    if isinstance(listed, Mapping):
        listed = (listed,)
    if not isinstance(listed, (list, tuple)):
        return value
    return tuple({"path": one} if isinstance(one, str) else one for one in listed)


Files = Annotated[tuple[DataFile, ...], BeforeValidator(_files)]


class Train(Declared):
    """What the trainer is told.

    Attributes:
        learning_rate: The highest.
        warmup: Share of all steps until it is reached.
        schedule: What it does after that.
        epochs: Times that every row is seen.
        max_steps: Steps in all, if fewer.
        accumulation: Forward passes a step.
        max_length: Tokens of a text, if fewer than the model's maximum.
        precision: ``auto``: bfloat16 where a GPU has it, else float32. Weights are float32 in any case.
        gradient_checkpointing: Less memory, a third more time.
        weight_decay: AdamW's.
        max_grad_norm: Longer gradients are cut to this length.
        seed: Decides order, what is drawn and dropout.
        save_every: Steps between checkpoints. None: one an epoch.
        keep: Checkpoints that are kept.
        log_every: Steps between lines of the log.
        workers: Processes that make batches.
        device: ``cpu`` keeps a GPU out of it. None: the best there is.
        fsdp: The trainer's own argument; needs several GPUs.
        deepspeed: Likewise: a configuration file.
    """

    learning_rate: PositiveFloat = 2e-5
    warmup: Share = 0.03
    schedule: Annotated[Schedule, one_of(Schedule)] = "linear"
    epochs: Epochs = 1.0
    max_steps: Count | None = None
    accumulation: Count = 1
    max_length: Count | None = None
    precision: Annotated[Precision, one_of(Precision)] = "auto"
    gradient_checkpointing: bool = False
    weight_decay: NonNegativeFloat = 0.0
    max_grad_norm: PositiveFloat = 1.0
    seed: Some = 42
    save_every: Count | None = None
    keep: Count = 2
    log_every: Count = 10
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    device: Literal["cpu"] | None = None
    fsdp: str | None = None
    deepspeed: str | None = None


class Sampling(Declared):
    """How data sets take turns.

    Attributes:
        temperature: 1: in proportion to their rows. Above: small ones more often.
    """

    temperature: Annotated[float, Field(ge=1)] = 1.0


class Lora(Declared):
    """A low-rank adapter in place of all weights.

    Attributes:
        r: Its rank.
        alpha: Its scale, over ``r``.
        dropout: Before it.
        target_modules: Names of layers, or ``all-linear``.
    """

    r: Annotated[int, Field(gt=0, le=4096)] = 16
    alpha: Count = 32
    dropout: Share = 0.05
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"


class Evaluation(Declared):
    """What is measured on the way, with sentence-transformers' own evaluators.

    Attributes:
        data: Files of rows that are not trained on.
        every: Steps between measurements; with ``keep_best``, ``train.save_every`` must be a multiple of it.
            None: with every checkpoint.
        keep_best: Whether the best checkpoint is the result, and not the last.
    """

    data: Files = ()
    every: Count | None = None
    keep_best: bool = True


class Stage(Declared):
    """A part of a run that is trained like a run of its own, from what the stage before it has written.

    Attributes:
        only: Tasks whose data is used. Empty: all.
        learning_rate: As in :class:`Train`.
        max_steps: Likewise.
        epochs: Likewise; None: the recipe's.
    """

    only: tuple[Task, ...] = ()
    learning_rate: PositiveFloat
    max_steps: Count | None = None
    epochs: Epochs | None = None


class Recipe(Declared):
    """All that decides what training does.

    Attributes:
        name: The recipe's own.
        source: Where its figures were published.
        model: What :func:`youtu_st.load` takes.
        checkpoint: Likewise.
        data: Files of rows.
        train: What the trainer is told.
        sampling: How data sets take turns.
        tasks: One way of training for each task.
        instructions: ``use``, or ``drop`` for a model that takes none.
        matryoshka: Shorter lengths that are trained too, ascending.
        lora: An adapter in place of all weights.
        evaluation: What is measured on the way.
        only: Tasks whose data is used. Empty: all.
        stages: Runs one after the other, in place of one.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    source: str = ""
    model: str | None = None
    checkpoint: str | None = None
    data: Files = ()
    train: Train = Train()
    sampling: Sampling = Sampling()
    tasks: Tasks = Tasks()
    instructions: Literal["use", "drop"] = "use"
    matryoshka: tuple[Count, ...] = ()
    lora: Lora | None = None
    evaluation: Evaluation = Evaluation()
    only: tuple[Task, ...] = ()
    stages: tuple[Stage, ...] = ()

    def staged(self) -> list[Recipe]:
        """A recipe for each stage; without stages, this one."""
        made = []
        for stage in self.stages:
            limits = [count for count in (stage.max_steps, self.train.max_steps) if count is not None]
            changed: dict[str, Any] = {
                "learning_rate": stage.learning_rate,
                "epochs": stage.epochs or self.train.epochs,
                "max_steps": min(limits, default=None),
            }
            train = self.train.model_copy(update=changed)
            made.append(
                self.model_copy(update={"train": train, "only": stage.only or self.only, "stages": ()})
            )
        return made or [self]


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted."""
    return names(_FOLDER)


def load_recipe(name: str | Path, changes: Iterable[str] = ()) -> Recipe:
    """A recipe by its name or from a ``.yaml`` file, with changes.

    Args:
        name: Which.
        changes: ``field=value`` each, as in ``train.learning_rate=2e-5``; values are YAML, but for names and
            paths, which are taken to the letter.

    Raises:
        InputError: If no recipe goes by that name, or a change is not of that form.
        SpecError: If a field is wrong, missing or unknown; the message has the nearest names.
    """
    path = expanded(name) if is_yaml(name) else configs_directory() / _FOLDER / f"{name}.yaml"
    if not is_yaml(name) and str(name) not in recipe_names():
        known = recipe_names()
        raise InputError(
            f"unknown recipe {brief(str(name))}: {did_you_mean(name, known)}known: {', '.join(known)}, or a "
            ".yaml file"
        )
    try:
        fields = fields_of(path)
    except OSError as error:
        raise SpecError(f"{path}: cannot read the recipe: {error.strerror or error}") from error
    for change in changes:
        _change(fields, change)
    return validated(Recipe, fields, f"recipe {name}")


def _change(fields: dict[str, Any], change: str) -> None:
    """Put one change into the fields, at any depth."""
    where, equals, value = change.partition("=")
    parts = where.strip().split(".")
    if not equals or not all(parts):
        raise InputError(f"a change is FIELD=VALUE, as in train.learning_rate=2e-5, not {brief(change)}")
    place = fields
    for part in parts[:-1]:
        inner = place.get(part)
        place[part] = place = dict(inner) if isinstance(inner, Mapping) else {}
    place[parts[-1]] = _value(value, _field(parts))


def _field(parts: list[str]) -> Any:
    """What the field at a place is declared as; None: there is none."""
    kind: Any = Recipe
    for part in parts:
        inner = [kind, *get_args(kind)]  # of ``Lora | None``, and of ``tuple[DataFile, ...]``
        declared = [one for one in inner if isinstance(one, type) and issubclass(one, Declared)]
        if not declared or part not in declared[0].model_fields:
            return None
        kind = declared[0].model_fields[part].annotation
    return kind


def _value(text: str, field: Any) -> Any:
    """A value for a field: of names and paths the text itself, else what it is in YAML."""
    whole = text.strip()
    if whole in ("", "null"):
        return None
    quoted = len(whole) > 1 and whole[0] == whole[-1] and whole[0] in "'\""
    listed = (whole[0], whole[-1]) in (("[", "]"), ("{", "}"))
    if str in (field, *get_args(field)) and not quoted:
        return text
    if DataFile in get_args(field) and not (quoted or listed):
        return text
    try:
        return with_tuples(parse_yaml(text))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{brief(text)} is no value, unless it is quoted as in YAML: {reason}") from error
