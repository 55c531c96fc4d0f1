"""What stands before a text: the model's own prompts, and task descriptions put through its template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from youtu_st.errors import InputError
from youtu_st.spec.model import PLACEHOLDER, ModelSpec, fill

if TYPE_CHECKING:  # a spec is enough for a model that runs elsewhere, and that needs no torch
    from sentence_transformers import SentenceTransformer

ROLES = ("query", "document")


def prompt_for(model: SentenceTransformer | ModelSpec, role: str) -> str:
    """The prompt that ``encode_query`` or ``encode_document`` of this model puts before a text."""
    if isinstance(model, ModelSpec):
        return model.prompts.query if role == "query" else model.prompts.document
    names = ("query",) if role == "query" else ("document", "passage", "corpus")
    for name in (*names, model.default_prompt_name):
        if name is not None and name in model.prompts:
            return model.prompts[name] or ""
    return ""


def prompts_for(model: SentenceTransformer | ModelSpec, role: str, instruction: Any, n: int) -> list[str]:
    """One prompt per text.

    Args:
        model: The model, or the spec of one that runs elsewhere.
        role: ``query`` or ``document``.
        instruction: One for all texts, or one per text: None is the model's own prompt, ``""`` is none, any
            other str is a task description.
        n: Number of texts.

    Raises:
        InputError: If there are not ``n`` instructions, one is not a str, the model has no template, or an
            instruction leaves no room for text.
    """
    if instruction is None:
        return [prompt_for(model, role)] * n
    each = [instruction] * n if isinstance(instruction, str) else list(instruction)
    if len(each) != n:
        raise InputError(f"{n} texts need {n} instructions (or one str for all), not {len(each)}")
    for one in each:
        if one is not None and not isinstance(one, str):
            raise InputError(f"an instruction must be a str, not {type(one).__name__}")
    filled = {one: prompt_for(model, role) if one is None else _filled(model, one) for one in set(each)}
    return [filled[one] for one in each]


def _filled(model: SentenceTransformer | ModelSpec, instruction: str) -> str:
    if not instruction:
        return ""
    template = model.template if isinstance(model, ModelSpec) else _template(model)
    if template is None:
        raise InputError(
            "this model takes no instructions: its spec has no template. A text to put before every query "
            'as it stands is a prompt of the model: prompts={"query": "..."}'
        )
    _check_bare(instruction, template)
    prompt = fill(template, instruction)
    if not isinstance(model, ModelSpec):
        _check_room(model, prompt)
    return prompt


def _template(model: SentenceTransformer) -> str | None:
    from youtu_st.modules.transformer import InstructionTransformer

    first = model[0]
    return first.template if isinstance(first, InstructionTransformer) else None


def _check_room(model: SentenceTransformer, prompt: str) -> None:
    from youtu_st.modules import tokenization

    length, limit = tokenization.count(model.tokenizer, prompt), model.get_max_seq_length()
    if limit is not None and length >= limit:
        raise InputError(
            f"the instruction leaves no room for text: its prompt has {length} tokens, "
            f"and the model reads {limit}"
        )


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
