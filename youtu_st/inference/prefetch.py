"""Prefetching: the next item is prepared in a thread while the caller works on the last."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NoReturn, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch(items: Iterable[T], prepare: Callable[[T], R]) -> Iterator[R]:
    """``map(prepare, items)``, with the next one under way while the caller holds the last.

    Items are read in the caller's own thread, as a file or a database cursor may want it, at most two before
    the one that the caller holds. An error, of reading or of preparing, comes when its item would.

    Args:
        items: Any iterable.
        prepare: What to do with each, one at a time; in another thread where there is more than one item.
    """
    remaining = iter(items)

    def take() -> Callable[[], R] | None:
        try:
            return partial(prepare, next(remaining))
        except StopIteration:
            return None
        except Exception as error:
            return partial(_fail, error)

    first, following = take(), take()
    if first is None:
        return
    if following is None:
        yield first()
        return
    process = os.getpid()

    def begin(do: Callable[[], R]) -> Callable[[], R]:
        # A caller may fork between two items: then the thread is the parent's, and the child does it itself.
        if os.getpid() != process:
            return do
        begun = thread.submit(do)
        return lambda: begun.result() if os.getpid() == process else do()

    with ThreadPoolExecutor(1, thread_name_prefix="youtu-st-prefetch") as thread:
        current = begin(first)
        while following is not None:
            upcoming = begin(following)
            yield current()
            current, following = upcoming, take()
        yield current()


def _fail(error: Exception) -> NoReturn:
    raise error
