"""Texts over a server's length: cut here by their characters, or there by their tokens."""

from __future__ import annotations

import warnings

from youtu_st.errors import InputError, TruncationWarning
from youtu_st.inference.truncation import Truncation
from youtu_st.inputs import check_texts


def cut(texts: list[str], limit: int | None, policy: Truncation, *, stacklevel: int) -> list[str]:
    """The texts as the server reads them.

    Args:
        texts: The texts.
        limit: Characters (Unicode code points) that the server reads; None: it is not known.
        policy: What happens to longer ones.
        stacklevel: Of the warning, counted from whoever calls this.

    Raises:
        InputError: Naming the first that is over the limit, under ``error``.
    """
    over = [] if limit is None else [i for i, text in enumerate(texts) if len(text) > limit]
    if not over:
        return texts
    first, longest = over[0], max(len(texts[i]) for i in over)
    if policy == "error":
        raise InputError(
            f"text {first} has {len(texts[first])} characters, and the server reads {limit}; split it, "
            "or pass truncation='warn' or 'ignore'"
        )
    if policy == "warn":
        warnings.warn(
            f"{len(over)} of {len(texts)} texts were cut to the server's {limit} characters: the first "
            f"is text {first} with {len(texts[first])}, the longest has {longest}",
            TruncationWarning,
            stacklevel=stacklevel,
        )
    return check_texts([text[:limit] for text in texts])


def warn_cut(cut: int, texts: int, server: str, *, stacklevel: int) -> None:
    """Say how many of a call's different texts the server cut to the model's length."""
    warnings.warn(
        f"{cut} of {texts} texts were cut by {server} to the length that its model reads: split them before, "
        "or pass truncation='ignore' or 'error'",
        TruncationWarning,
        stacklevel=stacklevel,
    )
