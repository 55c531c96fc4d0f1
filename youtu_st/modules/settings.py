"""What a loaded model says of itself, whether its modules are ours or stock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import PreTrainedTokenizerBase

from youtu_st.errors import InputError, ModelLoadError, YoutuError
from youtu_st.modules import tokenization
from youtu_st.modules.literal import LiteralTokenizer
from youtu_st.modules.pooling import InstructionMaskedPooling
from youtu_st.modules.splitting import NO_SPLIT, check_split
from youtu_st.modules.transformer import InstructionTransformer
from youtu_st.spec import prompts
from youtu_st.spec.model import lengths

_NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}
_STOCK_POOLINGS = {"lasttoken": "last_token"}  # others have one name on both sides


def ours(model: Any) -> InstructionTransformer | None:
    """The model's first module, if it is this package's own."""
    first = model[0]
    return first if isinstance(first, InstructionTransformer) else None


def prompt_for(model: SentenceTransformer, role: str) -> str:
    """The prompt that ``encode_query`` or ``encode_document`` of this model puts before a text."""
    for name in (*_NAMES[role], model.default_prompt_name):
        if name is not None and name in model.prompts:
            return model.prompts[name] or ""
    return ""


def prompts_for(
    model: SentenceTransformer, role: str, instruction: str | Sequence[str | None] | None, n: int
) -> list[str]:
    """One prompt per text, see :func:`youtu_st.spec.prompts.prompts_for`.

    Raises:
        InputError: As there; or if an instruction leaves no room for text.
    """
    own, mine = prompt_for(model, role), ours(model)
    each = prompts.prompts_for(own, mine.settings.template if mine else None, instruction, n)
    for prompt in set(each) - {own, ""}:
        _check_room(model, "the prompt of the instruction", prompt, InputError)
    return each


def check_prompts(model: SentenceTransformer) -> None:
    """Raise if one of the model's own prompts leaves no room for text.

    Raises:
        ModelLoadError: Naming the prompt, its length and the maximum, in tokens.
    """
    own = [(role, prompt_for(model, role)) for role in prompts.ROLES]
    for role, prompt in own:
        _check_room(model, f"the {role} prompt", prompt, ModelLoadError)


def _check_room(model: SentenceTransformer, what: str, prompt: str, error: type[YoutuError]) -> None:
    """Raise if a prompt leaves no room for text; one without a tokenizer or a maximum has room for all."""
    limit = model.get_max_seq_length()
    if limit is None or not isinstance(model.tokenizer, PreTrainedTokenizerBase):
        return
    tokenization.check_room(model.tokenizer, prompt, limit, what, error)


def lengths_of(model: SentenceTransformer) -> Sequence[int]:
    """Lengths that a vector of the model may have, ascending."""
    mine = ours(model)
    return lengths(model.get_embedding_dimension() or 0, mine.settings.matryoshka_dimensions if mine else ())


def splits_special_tokens(model: Any) -> bool:
    """Whether a model of either host reads special tokens that stand in a text as characters."""
    mine = ours(model)
    if mine is not None:
        return mine.settings.split_special_tokens
    return getattr(model.tokenizer, "split_special_tokens", False) is True


def reader_of(model: Any) -> Any:
    """What gives the tokens that a model reads of a text: its tokenizer, or a literal copy of it."""
    mine = ours(model)
    if mine is not None:
        return mine.reader
    return LiteralTokenizer(model.tokenizer) if splits_special_tokens(model) else model.tokenizer


def split_special_tokens(model: Any, prompts: Iterable[str] = ()) -> None:
    """Have a model of either host read special tokens that stand in a text as characters, from now on.

    The host's own modules tokenise a prompt like the text after it, and ask their tokenizer alone.

    Args:
        model: Not in use yet: its tokenizer is changed.
        prompts: What the model puts before texts.

    Raises:
        InputError: If its tokenizer does not do it, or would do it to a prompt too.
    """
    tokenizer = model.tokenizer
    if ours(model) is not None:
        model[0].split_special_tokens = True
        model[0].reader  # noqa: B018 - made here, and not with the first text
        return
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise InputError(f"{NO_SPLIT} its tokenizer, {type(tokenizer).__name__}, is not one of transformers")
    tokenizer.split_special_tokens = tokenizer.init_kwargs["split_special_tokens"] = True
    special = {i: token.content for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    check_split(
        special,
        prompts,
        lambda text: tokenizer(text, add_special_tokens=False)["input_ids"],
        tokenizer.unk_token_id,
    )


def normalizes(model: SentenceTransformer) -> bool:
    """Whether a module of the model scales its vectors to unit length."""
    return any(isinstance(module, Normalize) for module in model)


def declared_pooling(model: SentenceTransformer) -> str | None:
    """The rule that a model's pooling module says it follows; None for one that has no such module."""
    module = model[1] if len(model) > 1 and isinstance(model[0], Transformer) else None
    if isinstance(module, InstructionMaskedPooling):
        return module.pooling
    if not isinstance(module, Pooling):
        return None
    mode = module.pooling_mode
    if mode == "mean" and not module.include_prompt:
        return "masked_mean"
    return _STOCK_POOLINGS.get(mode, mode) if isinstance(mode, str) else "+".join(mode)
