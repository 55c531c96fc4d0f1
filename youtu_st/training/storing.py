"""What a disk takes no more of, or does not take at all: told in one line, with what to do."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from youtu_st.errors import TrainingError, YoutuError

_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_NUMBER = re.compile(r"\(os error (\d+)\)")
_OF_TORCH = re.compile(r"PytorchStreamWriter|inline_container|iostream error")
"""torch.save says no more than this of what the disk has said."""
_FEW = 1 << 30


@contextmanager
def storing(what: str, where: Path, remedy: str | Callable[[], str]) -> Iterator[None]:
    """Say what a disk refuses, in place of the libraries that write there.

    Args:
        what: Is written.
        where: The directory, or the file.
        remedy: What to do, or what gives it when it is asked for.

    Raises:
        TrainingError: In place of their errors; others pass.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = None if isinstance(error, YoutuError) else refusal(error)
        if reason is None:
            raise
        named = getattr(error, "filename", None)
        told = remedy if isinstance(remedy, str) else remedy()
        raise TrainingError(
            f"{what} cannot be written to {named or where}: {reason}{_free(where)}; {told}"
        ) from error


def refusal(error: BaseException) -> str | None:
    """What a disk has said that a library could not write to; None: the error is of another kind."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, SafetensorError) and (found := _NUMBER.search(str(error))):
        number = int(found[1])
    if number in _REFUSALS:
        return os.strerror(number).lower()
    if isinstance(error, RuntimeError) and _OF_TORCH.search(str(error)) and "Reader" not in str(error):
        return "the disk does not take all of a file"
    return None


def _free(where: Path) -> str:
    """How little room there is; nothing where there is enough."""
    place = next(one for one in (where, *where.absolute().parents) if one.is_dir())
    free = shutil.disk_usage(place).free
    return f" ({free / 1e6:,.0f} MB are free there)" if free < _FEW else ""
