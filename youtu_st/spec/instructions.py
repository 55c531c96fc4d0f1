"""Task instructions: what a model's authors told it for each of their evaluation's tasks, as data.

    >>> from youtu_st import instructions
    >>> task = instructions.for_task("youtu-embedding", "T2Retrieval")
    >>> task.query
    'Given a Chinese search query, retrieve web passages that answer the question'
    >>> task.document
    ''

``encoder.encode_query(texts, instruction=task.query)`` and ``encoder.encode_document(texts,
instruction=task.document)`` put it through the model's template; :func:`prompts` gives whole prompts, in any
of the templates that the authors have published. ``docs/instructions.md`` says which one they use where.
"""

from __future__ import annotations

from dataclasses import dataclass

from youtu_st.errors import InputError, brief
from youtu_st.spec.model import MODELS, ModelSpec, load_spec
from youtu_st.spec.prompts import fill
from youtu_st.spec.registry import Declared, configs_directory, hint, is_hub_id, read


@dataclass(frozen=True, slots=True)
class TaskInstruction:
    """What a model is told for a task.

    Attributes:
        task: Its name, as MTEB had it when the instruction was published.
        query: Task description for ``encode_query``.
        document: Task description for ``encode_document``; ``""``: documents stand bare.
    """

    task: str
    query: str
    document: str


class Sides(Declared):
    """Instructions of a task whose two sides differ."""

    query: str
    document: str


class Table(Declared):
    """A file of ``configs/instructions``.

    Attributes:
        source: Where it was published.
        models: The models it was published for, by the names of their specs.
        tasks: By task: one instruction for both sides, or one for each.
        added_by_copy: Of these, names that whoever copied the authors' table may have added.
    """

    source: str
    models: tuple[str, ...]
    tasks: dict[str, str | Sides]
    added_by_copy: tuple[str, ...] = ()

    def of(self, task: str) -> TaskInstruction | None:
        """What it says of a task, by its name to the letter; None if nothing."""
        told = self.tasks.get(task)
        if told is None:
            return None
        return (
            TaskInstruction(task, told, told)
            if isinstance(told, str)
            else TaskInstruction(task, told.query, told.document)
        )


def load_table(name: str) -> Table:
    """A table that is shipped, by the name of its file.

    Raises:
        InputError: If there is none by that name: near matches are named.
    """
    known = {path.stem: path for path in (configs_directory() / "instructions").glob("*.json")}
    if name not in known:
        raise InputError(
            f"there is no table of instructions {brief(name)}.{hint(name, known)} "
            f"There are: {', '.join(sorted(known))}"
        )
    return read(known[name], Table)


def tasks(model: str) -> list[str]:
    """Tasks that a model's authors have published an instruction for.

    Args:
        model: A model's name, or its hub id.

    Raises:
        UnknownModelError: If no shipped spec goes by that name.
        InputError: If there is no table for the model.
    """
    return list(_table(_spec(model)).tasks)


def for_task(model: str, task: str) -> TaskInstruction:
    """The instruction that a model's authors have published for a task.

    Args:
        model: A model's name, or its hub id.
        task: A task's name, see :func:`tasks`; to the letter.

    Raises:
        UnknownModelError: If no shipped spec goes by that name.
        InputError: If there is no table for the model, or it has no such task: near matches are named.
    """
    spec = _spec(model)
    table = _table(spec)
    known, told = table.tasks, table.of(task)
    if told is None:
        raise InputError(
            f"{spec.name} has no instruction for the task {task!r}.{hint(task, known)} It has "
            f"{len(known)}, from {next(iter(known))!r} to {next(reversed(known))!r}: see "
            f"youtu_st.instructions.tasks({spec.name!r})"
        )
    return told


def template(model: str, variant: str | None = None) -> str:
    """A template that a model's authors have published.

    Args:
        model: A model's name, or its hub id.
        variant: Where they use it, one of the spec's ``templates``; None: the one that ``Encoder`` uses.

    Raises:
        UnknownModelError: If no shipped spec goes by that name.
        InputError: If the model takes no instructions, or has no such variant.
    """
    spec = _spec(model)
    if spec.template is None:
        raise InputError(f"{spec.name} takes no instructions: its spec has no template")
    if variant is None:
        return spec.template
    if variant not in spec.templates:
        allowed = f"one of {', '.join(map(repr, spec.templates))}, or None" if spec.templates else "None"
        raise InputError(f"variant must be {allowed} for {spec.name}, not {variant!r}")
    return spec.templates[variant]


def prompts(model: str, task: str, variant: str | None = None) -> dict[str, str]:
    """Whole prompts of a task, for ``Encoder(model, prompts=...)``.

    Args:
        model: A model's name, or its hub id.
        task: A task's name, see :func:`tasks`.
        variant: As for :func:`template`.

    Returns:
        What stands before a ``query`` and before a ``document``, to the letter.

    Raises:
        UnknownModelError: If no shipped spec goes by that name.
        InputError: As for :func:`for_task` and :func:`template`.
    """
    told, frame = for_task(model, task), template(model, variant)
    sides = {"query": told.query, "document": told.document}
    return {role: fill(frame, instruction) if instruction else "" for role, instruction in sides.items()}


def _spec(model: str) -> ModelSpec:
    return (MODELS.by_hub_id(model) if is_hub_id(model) else None) or load_spec(model)


def _table(spec: ModelSpec) -> Table:
    tables = [read(path, Table) for path in sorted((configs_directory() / "instructions").glob("*.json"))]
    for table in tables:
        if spec.name in table.models:
            return table
    with_tables = ", ".join(name for table in tables for name in table.models)
    instead = (
        "pass a description of your task, one sentence in English: "
        "encode_query(texts, instruction='Given ..., retrieve ...')"
        if spec.template
        else "it takes none"
    )
    raise InputError(
        f"no instructions for tasks were published for {spec.name}, as they were for {with_tables}; {instead}"
    )
