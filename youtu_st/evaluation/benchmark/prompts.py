"""What stands before the texts of each task, to the letter, and who says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from youtu_st.errors import InputError, brief
from youtu_st.evaluation.profiles import Profile, profile_of_reranker, spec_for, table_of
from youtu_st.inputs import one_of
from youtu_st.protocol import Role
from youtu_st.spec.instructions import TaskInstruction
from youtu_st.spec.model import ModelSpec
from youtu_st.spec.prompts import fill
from youtu_st.spec.registry import hint

if TYPE_CHECKING:
    from mteb import TaskMetadata

Source = Literal["authors", "mteb task", "mteb type", "model", "none"]
"""Whose words: the authors of the model, the task in mteb, its type in mteb, or the model itself."""

Side = Literal["query", "document"] | None
"""What mteb calls ``prompt_type``; None: both sides are alike."""

ASYMMETRIC = ("Retrieval", "Reranking")
"""In the names of types of tasks whose texts are queries and documents."""


@dataclass(frozen=True, slots=True)
class TaskPrompt:
    """What stands before a text.

    Attributes:
        prompt: The whole prompt, to the letter; ``""`` is none.
        instruction: What to pass as ``instruction`` to an encoder of ``spec_for(profile, spec)``. None: the
            model's own prompt; ``""``: none.
        source: Where it is from.
    """

    prompt: str
    instruction: str | None
    source: Source


NOTHING = TaskPrompt("", "", "none")


@dataclass(frozen=True, slots=True)
class TaskPrompts:
    """What stands before the texts of a task.

    Attributes:
        task: Its name.
        query: Before queries.
        document: Before documents.
        both: Before texts of tasks whose sides are alike.
        sides: Which of them the task has, as mteb's ``prompt_type``.
        alike: As what texts of tasks whose sides are alike are encoded.
        instructed: Whether the authors have published an instruction for the task, by its name.
    """

    task: str
    query: TaskPrompt
    document: TaskPrompt
    both: TaskPrompt
    sides: tuple[Side, ...] = (None,)
    alike: Role = "document"
    instructed: bool = False

    def of(self, prompt_type: str | None) -> TaskPrompt:
        """The prompt of a side.

        Args:
            prompt_type: ``query``, ``document`` or None, as mteb passes it; its own enumeration works too.

        Raises:
            InputError: If it is something else.
        """
        if prompt_type is None:
            return self.both
        return self.query if self.role(prompt_type) == "query" else self.document

    def role(self, prompt_type: str | None) -> Role:
        """Which of ``encode_query`` and ``encode_document`` a side is for.

        Raises:
            InputError: As for :meth:`of`.
        """
        if prompt_type is None:
            return self.alike
        value = getattr(prompt_type, "value", prompt_type)
        one_of("prompt_type", value, get_args(Role))
        return "query" if value == "query" else "document"


def prompts_of(profile: Profile, spec: ModelSpec | None, metadata: TaskMetadata) -> TaskPrompts:
    """What stands before the texts of a task.

    Args:
        profile: How the model is evaluated.
        spec: The model. None: one without a spec, whose own prompts are not known before it is loaded, see
            :func:`with_own`.
        metadata: The task's, of mteb.

    Raises:
        InputError: If the profile has instructions, and the model no template to put them into, or names a
            type of tasks that mteb has not.
    """
    _check_types(profile)
    spec = spec_for(profile, spec) if spec is not None else None
    table = table_of(profile)
    told = table.of(metadata.name) if table is not None else None
    query, document, both = (
        _prompt(profile, spec, metadata, told, side) for side in ("query", "document", None)
    )
    is_asymmetric = any(part in metadata.type for part in ASYMMETRIC)
    return TaskPrompts(
        task=metadata.name,
        query=query,
        document=document,
        both=both,
        sides=("query", "document") if is_asymmetric else (None,),
        alike=profile.sides_alike,
        instructed=told is not None,
    )


def _check_types(profile: Profile) -> None:
    """Raise for a type of tasks that mteb has not: what a profile says of it would hold of nothing."""
    from mteb.abstasks.task_metadata import TaskType

    for name in (*profile.fixed, *profile.bare_documents):
        if name not in get_args(TaskType):
            near = hint(name, get_args(TaskType))
            raise InputError(
                f"the profile {profile.name} names {brief(name)}, no type of tasks in mteb.{near}"
            )


def with_own(told: TaskPrompts, own: Mapping[Role, str], alike: Role) -> TaskPrompts:
    """What stands before the texts of a task, once a model without a spec is loaded.

    Args:
        told: From :func:`prompts_of` without a spec.
        own: What the model itself puts before queries and documents.
        alike: As what texts of tasks whose sides are alike are encoded.
    """

    def known(prompt: TaskPrompt, role: Role) -> TaskPrompt:
        if prompt.instruction is not None:
            return prompt
        return TaskPrompt(own[role], None, "model" if own[role] else "none")

    return replace(
        told,
        query=known(told.query, "query"),
        document=known(told.document, "document"),
        both=known(told.both, alike),
        alike=alike,
    )


def _prompt(
    profile: Profile,
    spec: ModelSpec | None,
    metadata: TaskMetadata,
    told: TaskInstruction | None,
    side: Side,
) -> TaskPrompt:
    if metadata.type in profile.fixed:
        return _filled(spec, profile.fixed[metadata.type], "authors")
    if told is not None:
        return _filled(spec, told.document if side == "document" else told.query, "authors")
    if profile.otherwise == "mteb":
        if side == "document" and metadata.type in profile.bare_documents:
            return NOTHING
        return _filled(spec, *mteb_instruction(metadata, side))
    own = spec.prompts.of(side or profile.sides_alike) if spec is not None else ""
    return TaskPrompt(own, None, "model" if own else "none")


def _filled(spec: ModelSpec | None, instruction: str, source: Source) -> TaskPrompt:
    if not instruction:
        return NOTHING
    if spec is None or spec.template is None:
        name = "a model without a spec" if spec is None else spec.name
        raise InputError(f"{name} has no template to put an instruction into: use the profile plain")
    return TaskPrompt(fill(spec.template, instruction), instruction, source)


def mteb_instruction(metadata: TaskMetadata, side: Side) -> tuple[str, Source]:
    """What mteb would tell a model for a side of a task: of the task itself, else of its type."""
    from mteb.abstasks.abstask import get_abstask_prompt

    own = metadata.prompt
    if own:
        # One for each side, some of them missing; sides that are alike are all queries.
        told = str(own.get(side or "query", "")) if isinstance(own, dict) else str(own)
        return told, "mteb task" if told else "none"
    default = get_abstask_prompt(metadata.name)
    return default, "mteb type" if default else "none"


def reranker_instructions(reranker: str, tasks: Sequence[TaskMetadata]) -> dict[str, str | None]:
    """By task, what a reranker is told: by its authors, else by mteb. None: what it is told by itself.

    Each task has its own: the published script keeps the instruction of the task before where its table has
    none, and tells ArguAna both sides' as a Python dictionary.

    Args:
        reranker: Its name; one that no profile names is told nothing more.
        tasks: mteb's, of retrieval.
    """
    profile = profile_of_reranker(reranker)
    if profile is None:
        return {metadata.name: None for metadata in tasks}
    table = table_of(profile)
    told = {metadata.name: table.of(metadata.name) if table is not None else None for metadata in tasks}
    return {
        metadata.name: known.query
        if (known := told[metadata.name])
        else mteb_instruction(metadata, "query")[0] or None
        for metadata in tasks
    }
