"""What the class that mteb has registered for a model would put before texts, without loading the model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from youtu_st.errors import InputError, require
from youtu_st.evaluation.benchmark.prompts import Side, TaskPrompts
from youtu_st.spec.model import ModelSpec

if TYPE_CHECKING:
    from mteb import TaskMetadata

Likeness = Literal["equal", "but for spaces", "other"]

Registered = Callable[["TaskMetadata", Side], str]
"""The whole prompt of a side of a task."""


def registered_prompts(spec: ModelSpec) -> Registered:
    """How mteb's own class for a model makes prompts.

    Args:
        spec: The model: mteb knows it by its hub id. Where mteb leaves prompts to the checkpoint, the
            spec's are taken for it.

    Raises:
        InputError: If mteb has no class for the model, or one that does not tell without the weights.
        MissingDependencyError: If mteb is not installed.
    """
    mteb = require("mteb", "eval")
    from mteb.models.instruct_wrapper import InstructSentenceTransformerModel

    try:
        meta = mteb.get_model_meta(spec.hub_id)
    except KeyError as error:
        raise InputError(f"mteb has no class for {spec.hub_id}: leave out --beside mteb") from error
    loader, options = meta.loader, dict(meta.loader_kwargs or {})
    if loader is mteb.SentenceTransformerEncoderWrapper:
        return _by_names(options.get("model_prompts") or _named(spec))
    if loader is not InstructSentenceTransformerModel:
        # A function that makes one, with the template of its module, and bare passages.
        template = getattr(sys.modules.get(getattr(loader, "__module__", "")), "instruction_template", None)
        if template is None:
            raise InputError(f"mteb's class for {spec.hub_id} does not tell its prompts without the weights")
        options = {"instruction_template": template, "apply_instruction_to_passages": False, **options}
    return _by_template(options)


def likeness(ours: TaskPrompts, metadata: TaskMetadata, theirs: Registered) -> Likeness:
    """How like the prompts of a task are, of all its sides together."""
    found = [compare(ours.of(side).prompt, theirs(metadata, side)) for side in ours.sides]
    return next(kind for kind in ("other", "but for spaces", "equal") if kind in found)


def compare(ours: str, theirs: str) -> Likeness:
    """How like two prompts are."""
    if ours == theirs:
        return "equal"
    return "but for spaces" if ours.split() == theirs.split() else "other"


def _named(spec: ModelSpec) -> dict[str, str]:
    return {role: prompt for role, prompt in spec.prompts.model_dump().items() if prompt}


def _by_names(named: dict[str, str]) -> Registered:
    from mteb.models.abs_encoder import get_prompt_name

    def prompt(metadata: TaskMetadata, side: Side) -> str:
        name = get_prompt_name(named, metadata, _prompt_type(side))
        return named.get(name, "") if name is not None else ""

    return prompt


def _by_template(options: dict[str, Any]) -> Registered:
    from mteb.models.abs_encoder import AbsEncoder

    class Told(AbsEncoder):
        """Mteb's own way to a prompt; what it encodes texts to is that prompt."""

        def __init__(self) -> None:
            self.instruction_template = options["instruction_template"]
            self.prompts_dict = options.get("prompts_dict")

        def encode(self, inputs: Any, *, task_metadata: Any, prompt_type: Any = None, **kwargs: Any) -> Any:
            if prompt_type == "document" and not options.get("apply_instruction_to_passages", True):
                return np.array("")
            return np.array(self.get_task_instruction(task_metadata, prompt_type))

    told = Told()
    return lambda metadata, side: str(told.encode((), task_metadata=metadata, prompt_type=_prompt_type(side)))


def _prompt_type(side: Side) -> Any:
    from mteb.types import PromptType

    return None if side is None else PromptType(side)
