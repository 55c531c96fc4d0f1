"""What stores of frameworks share: the index, open already or in a directory, and calls in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from youtu_st.errors import InputError
from youtu_st.index import VectorIndex
from youtu_st.protocol import TextEncoder

Result = TypeVar("Result")


def opened(index: VectorIndex | str | Path, encoder: TextEncoder | None) -> VectorIndex:
    """An index that is open, if its vectors are the encoder's, or that of a directory.

    Without an encoder, the model that the manifest names opens the directory.

    Raises:
        InputError: If ``index`` is something else.
        YoutuError: As for ``VectorIndex.open`` and ``VectorIndex.check``.
    """
    if isinstance(index, str | Path):
        return VectorIndex.open(index, encoder)
    if not isinstance(index, VectorIndex):
        raise InputError(
            f"index must be a VectorIndex or its directory, not {type(index).__name__}; to make one call "
            "YoutuVectorStore.create"
        )
    if encoder is not None and encoder != index.encoder:  # some stand for one and the same object
        index.check(encoder)
    return index


def in_a_thread(method: Callable[..., Result]) -> Callable[..., Coroutine[Any, Any, Result]]:
    """The method, also a subclass's, as a coroutine that does not block the event loop."""

    @wraps(method)
    async def called(self: Any, *args: Any, **kwargs: Any) -> Result:
        own: Callable[..., Result] = getattr(self, method.__name__)
        return await asyncio.to_thread(own, *args, **kwargs)

    return called
