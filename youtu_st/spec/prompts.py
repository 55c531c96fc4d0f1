"""What stands before a text: a model's own prompts, and task descriptions put through its template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from youtu_st.errors import InputError
from youtu_st.inputs import one_of

ROLES = ("query", "document")

PLACEHOLDER = "{instruction}"


def fill(template: str, instruction: str) -> str:
    """Put a task description into a template. Braces in the description stay as they are."""
    return template.replace(PLACEHOLDER, instruction)


def check_own(prompts: Mapping[str, object]) -> None:
    """Raise unless these are prompts for a model to have: by role, and each a str.

    Raises:
        InputError: Naming the one that is not.
    """
    if not isinstance(prompts, Mapping):
        raise InputError(f"prompts must be a dict of str by role, not {type(prompts).__name__}")
    for role, prompt in prompts.items():
        one_of("a role in prompts", role, ROLES)
        if not isinstance(prompt, str):
            raise InputError(f"the {role} prompt must be a str, not {type(prompt).__name__}")


def prompts_for(
    own: str, template: str | None, instruction: str | Sequence[str | None] | None, n: int
) -> list[str]:
    """One prompt per text.

    Args:
        own: The model's own prompt for these texts.
        template: Turns a task description into a prompt; None: the model takes none.
        instruction: One for all texts, or one per text: None is the model's own prompt, ``""`` is none, any
            other str is a task description.
        n: Number of texts.

    Raises:
        InputError: If there are not ``n`` instructions, one is not a str, or the model has no template.
    """
    if instruction is None:
        return [own] * n
    each = each_instruction(instruction, n)
    filled = {one: own if one is None else _filled(template, one) for one in set(each)}
    return [filled[one] for one in each]


def each_instruction(
    instruction: str | Sequence[str | None] | None, n: int, nouns: str = "texts"
) -> list[str | None]:
    """One instruction for each of ``n`` texts, queries or pairs.

    Raises:
        InputError: If it is something else, there are not ``n``, or one is not a str.
    """
    if not isinstance(instruction, str | Iterable | None) or isinstance(instruction, bytes | Mapping):
        raise InputError(f"instruction must be a str or a list of str, not {type(instruction).__name__}")
    each = [instruction] * n if instruction is None or isinstance(instruction, str) else list(instruction)
    if len(each) != n:
        raise InputError(f"{n} {nouns} need {n} instructions (or one str for all), not {len(each)}")
    for one in each:
        if one is not None and not isinstance(one, str):
            raise InputError(f"an instruction must be a str, not {type(one).__name__}")
    return each


def _filled(template: str | None, instruction: str) -> str:
    if not instruction:
        return ""
    if template is None:
        raise InputError(
            "this model takes no instructions: its spec has no template. A text to put before every query "
            'as it stands is a prompt of the model: prompts={"query": "..."}'
        )
    _check_bare(instruction, template)
    return fill(template, instruction)


def _check_bare(instruction: str, template: str) -> None:
    """Refuse a prompt that has been through the template already: other frameworks want it that way."""
    head, _, tail = (part.strip() for part in template.partition(PLACEHOLDER))
    told = instruction.strip()
    before = told.startswith(head) if any(map(str.isalpha, head)) else False
    after = told.endswith(tail) if any(map(str.isalpha, tail)) else False
    if before or after:
        bare = told.removeprefix(head).removesuffix(tail).strip()
        raise InputError(
            f"the instruction is a whole prompt, and the model's template {template!r} would be put around "
            f"it again: pass the task description alone, {bare!r}"
        )
