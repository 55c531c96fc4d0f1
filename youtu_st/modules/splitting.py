"""Whether a tokenizer can read special tokens that stand in a text as characters. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from youtu_st.errors import InputError

NO_SPLIT = "split_special_tokens is not for this model:"
_SPEC = "By a spec, a name or a .yaml file of your own, such a model can be loaded with it"


def check_split(
    special: Mapping[int, str],
    prompts: Iterable[str],
    ids_of: Callable[[str], Collection[int]],
    unknown: int | None,
) -> None:
    """Raise for a tokenizer that makes a special token of its characters all the same, or splits a prompt.

    Args:
        special: Special tokens by their ids.
        prompts: What the model puts before texts.
        ids_of: Token ids of a text by the tokenizer as it splits, without what it adds.
        unknown: The id of any character that is not in the vocabulary.

    Raises:
        InputError: Naming the token.
    """
    written = list(prompts)
    for content in special.values():
        if any(content in prompt for prompt in written):
            raise InputError(f"{NO_SPLIT} the {content!r} of its prompt would be split too. {_SPEC}")
        if (set(ids_of(content)) - {unknown}) & special.keys():
            raise InputError(f"{NO_SPLIT} its tokenizer makes a token of {content!r} all the same. {_SPEC}")
