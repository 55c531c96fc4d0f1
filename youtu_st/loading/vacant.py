"""A directory that is written whole or not at all, where nothing was before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from youtu_st.disk import beside, flush, take_place
from youtu_st.errors import InputError, ModelLoadError, YoutuError, in_one_line


def vacant(out: str | Path) -> Path:
    """Where a directory goes that is to be written: what a link leads to, if it is one.

    Raises:
        InputError: If it is no path.
        ModelLoadError: If it is there and not an empty directory.
    """
    if not isinstance(out, str | Path) or not str(out) or "\0" in str(out):
        raise InputError(f"out must be the path of a directory, not {out!r:.60}")
    target = Path(os.path.realpath(out))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ModelLoadError(f"{out} is not an empty directory: nothing is overwritten")
    return target


@contextmanager
def whole_directory(out: str | Path) -> Iterator[Path]:
    """Write a directory beside its place, which it takes at once, or not at all.

    Args:
        out: As of :func:`vacant`; folders above it are made, and are gone again after an error.

    Yields:
        Where to write.

    Raises:
        ModelLoadError: As for :func:`vacant`, or in place of whatever error of another library's.
    """
    target = vacant(out)
    written, made = beside(target), [folder for folder in target.parents if not folder.exists()]
    try:
        with _explained(out):
            target.parent.mkdir(parents=True, exist_ok=True)
            written.mkdir()
            yield written
            for path in written.rglob("*"):
                flush(path)
            try:
                take_place(written, target)
            except FileExistsError as error:
                raise ModelLoadError(f"{out}: {error.strerror}") from error
    except BaseException:
        shutil.rmtree(written, ignore_errors=True)
        with suppress(OSError):  # somebody else's files are there by now
            for folder in made:
                folder.rmdir()
        raise


@contextmanager
def _explained(out: str | Path) -> Iterator[None]:
    try:
        yield
    except YoutuError:
        raise
    except Exception as error:
        raise ModelLoadError(in_one_line(f"cannot write {str(out)!r}", error)) from error
