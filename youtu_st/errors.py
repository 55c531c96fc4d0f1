"""Every error that a caller may want to catch, and what their messages have in common."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class YoutuError(Exception):
    """Base of all errors that this package raises on purpose."""


class SpecError(YoutuError, ValueError):
    """A model spec is wrong: the message names the file, the field and what is allowed."""


class UnknownModelError(YoutuError, ValueError):
    """No model goes by that name: the message lists near matches and the known names."""


class ModelLoadError(YoutuError, RuntimeError):
    """A checkpoint cannot be loaded, or does not behave as its spec says."""


class InputError(YoutuError, ValueError):
    """A text, instruction or argument cannot be encoded: the message names its position."""


class TruncationWarning(UserWarning):
    """Texts were longer than the model's maximum length and were cut."""


class NonFiniteError(YoutuError, ArithmeticError):
    """The network gave a vector that is NaN, infinite or zero, in float32 too."""


class OutOfMemoryError(YoutuError, MemoryError):
    """One text alone is more than the device's memory holds: the message names it."""


class EngineError(YoutuError, RuntimeError):
    """A server that encodes elsewhere cannot be reached, refuses, or answers what no such model gives."""


class MissingDependencyError(YoutuError, ImportError):
    """An optional feature needs a package that is not installed: the message is the line to type."""


class VectorIndexError(YoutuError):
    """Base of the errors of :mod:`youtu_st.index`."""


class IndexNotFoundError(VectorIndexError, FileNotFoundError):
    """There is no index in that directory."""


class IndexExistsError(VectorIndexError, FileExistsError):
    """``create`` was asked for a directory that already holds something."""


class IndexMismatchError(VectorIndexError, ValueError):
    """The index was built with another encoder: the message lists what differs."""


class IndexLockedError(VectorIndexError, RuntimeError):
    """Another process or object is writing to the index."""


class IndexDamagedError(VectorIndexError, RuntimeError):
    """A file of the index cannot be read."""


class FilterError(VectorIndexError, ValueError):
    """A metadata filter is malformed: the message names the part and what is allowed."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module, or raise the one error that says how to install it.

    Args:
        module: Dotted name to import.
        extra: The extra of ``youtu-st`` that brings it.

    Raises:
        MissingDependencyError: If the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # Only the package itself being absent is ours to explain; anything else is a real fault.
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingDependencyError(
            f'the package {module.split(".")[0]!r} must be installed: pip install "youtu-st[{extra}]"'
        ) from error


def in_one_line(what: str, error: Exception) -> str:
    """What went wrong, and the beginning of the reason that another library gives."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if "trust_remote_code" in reason:
        reason = (
            "it brings its own code, which runs only with trust_remote_code=True "
            "(--trust-remote-code on the command line)"
        )
    return f"{what}: {reason[:200]}"


def did_you_mean(name: object, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6) -> str:
    """``"did you mean 'a' or 'b'? "``, the likeliest known names first; ``""`` where none is like it.

    Args:
        name: What the caller wrote.
        known: What may have been meant.
        most: How many of the known names to give.
        cutoff: Likeness from 0 to 1 that they must have, see :func:`difflib.get_close_matches`.
    """
    near = difflib.get_close_matches(str(name), list(known), n=most, cutoff=cutoff)
    return f"did you mean {' or '.join(map(repr, near))}? " if near else ""
