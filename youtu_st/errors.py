"""Every error that a caller may want to catch, and what their messages have in common."""

from __future__ import annotations

import difflib
import importlib
import re
import reprlib
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any


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


class UnknownTokenWarning(UserWarning):
    """Of some texts the model's vocabulary reads little: their vectors say little of them."""


class RepeatedPromptWarning(UserWarning):
    """Texts begin with the prompt that is put before them, and so have it twice."""


class NonFiniteError(YoutuError, ArithmeticError):
    """The network gave a vector that is NaN, infinite or zero, in float32 too."""


class TrainingError(YoutuError, RuntimeError):
    """A training run that cannot come to any good, and was stopped."""


class PeerError(TrainingError):
    """Another process of the same training run has ended: what went wrong is its to say."""


class OutOfMemoryError(YoutuError, MemoryError):
    """One text alone is more than the device's memory holds: the message names it."""


class QueueFullError(YoutuError, RuntimeError):
    """So many tokens wait for the network that a request has no room beside them: it may be sent again.

    Args:
        tokens: Of the request.
        waiting: Tokens that wait.
        limit: Tokens that may wait.

    Attributes:
        retry_after: Seconds after which what waits now should be done.
    """

    retry_after = 1.0

    def __init__(self, tokens: int, waiting: int, limit: int) -> None:
        super().__init__(
            f"{tokens:,} tokens do not fit into the queue: {waiting:,} of at most {limit:,} wait already"
        )


class RequestTooLargeError(YoutuError, ValueError):
    """A request has more tokens than may ever wait: it must be sent in parts.

    Attributes:
        tokens: Of the request; where it was not read to its end, of what was read.
        limit: Tokens that may wait.
    """

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"a request of {tokens:,} tokens is more than the {limit:,} that may wait")
        self.tokens, self.limit = tokens, limit


class JobError(YoutuError, RuntimeError):
    """A job over a corpus came upon what it cannot go on with: what is done stays done.

    Args:
        message: One line.
        kind: ``row``, ``unable``, ``full`` or ``fault``, see :mod:`youtu_st.scale.pools.events`.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class EngineError(YoutuError, RuntimeError):
    """A server that encodes elsewhere cannot be reached, refuses, or answers what no such model gives."""


class StoreError(YoutuError, RuntimeError):
    """A database cannot be reached or opened, refuses, or holds what no copy has written there."""


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


class IndexWarning(UserWarning):
    """Everything is stored, and what an index does to stay small and quick could not be done this time."""


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
        name = module.split(".")[0]
        raise MissingDependencyError(
            f"the package {name!r} must be installed: {install_line(extra)}"
        ) from error


def install_line(extra: str) -> str:
    """What to type for an extra of ``youtu-st``: its packages that are not installed, by their own names.

    They work for whoever has a wheel or a checkout; ``youtu-st[extra]`` would be looked for on an index of
    packages, where it need not be.
    """
    from importlib import metadata  # which takes longer to import than all the rest of the messages

    wanted, missing = [], []
    try:
        listed = metadata.requires("youtu-st") or []
    except metadata.PackageNotFoundError:  # run from a directory: nothing says what an extra brings
        return f'pip install -e ".[{extra}]" in the checkout of youtu-st'
    for line in listed:
        requirement, _, marker = line.partition(";")
        found = re.fullmatch(rf"""(?:(.*) and )?extra == ['"]{extra}['"]""", marker.strip())
        if found:
            wanted.append(f'"{requirement.strip()}{f"; {found[1]}" if found[1] else ""}"')
            try:
                metadata.version(re.split("[^A-Za-z0-9._-]", requirement.strip())[0])
            except metadata.PackageNotFoundError:
                missing.append(wanted[-1])
    return f"pip install {' '.join(missing or wanted)}"


# What a terminal obeys, or turns the order or the lines of what it shows with, and what is no character or is
# never seen: C0, DEL, C1, U+2028 to U+202E, U+2066 to U+2069, surrogates, tags. Joiners, marks of
# direction and variation selectors stay: languages and emoji need them, and they reach no further than that.
_UNSEEN = r"\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f"
# The flags of England, Scotland and Wales are a black flag and tags: the one use that tags have.
_FLAG = r"(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)"
_IN_LINE = re.compile(rf"{_FLAG}|[\x00-\x1f{_UNSEEN}]")
_IN_TEXT = re.compile(rf"{_FLAG}|[\x00-\x08\x0b-\x1f{_UNSEEN}]")
_LONGEST_NAME = 200
"""Characters of a name that are looked at for what was meant."""


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def printable(text: str, *, whole: bool = False, escape: Callable[[str], str] = _escape) -> str:
    r"""A text as a terminal may be sent it: whoever wrote it, it moves, hides and sets nothing there.

    What is not shown as it is becomes what Python writes for it: ``\x1b``, ``\u202e``, ``\udcff``.

    Args:
        text: A document, a name, a server's answer, another library's message.
        whole: Keep line breaks and tabs, for a text that may take several lines; else they are shown too, and
            a name cannot write a line of its own.
        escape: What to write for a character that is not shown.
    """
    return (_IN_TEXT if whole else _IN_LINE).sub(lambda found: found[1] or escape(found[0]), text)


class _Brief(reprlib.Repr):
    """Representations of any value, however deep, long or odd, that a message can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxstring = self.maxother = 160

    def repr_int(self, x: int, level: int) -> str:
        # Python writes no ints of more than 4,300 digits; 400 of them tell nobody more than their number.
        return super().repr_int(x, level) if x.bit_length() < 256 else f"an int of {x.bit_length()} bits"


def brief(value: Any) -> str:
    """A value for a message, as ``repr`` shows it, in at most 300 characters: the middle is left out."""
    shown = printable(_Brief().repr(value))
    return shown if len(shown) <= 300 else f"{shown[:240]}...{shown[-57:]}"


def in_one_line(what: str, error: BaseException | str) -> str:
    """What went wrong, and the beginning of the reason that another library gives."""
    try:
        reason = " ".join(str(error).split()) or type(error).__name__
    except Exception:  # the message of somebody else's class
        reason = type(error).__name__
    if isinstance(error, RecursionError):
        reason = "it is nested too deeply"
    if "trust_remote_code" in reason:
        reason = (
            "it brings its own code, which runs only with trust_remote_code=True "
            "(--trust-remote-code on the command line)"
        )
    return f"{what}: {printable(reason[:200])}"


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 file``, ``1,024 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def did_you_mean(name: object, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6) -> str:
    """``"did you mean 'a' or 'b'? "``, the likeliest known names first; ``""`` where none is like it.

    Args:
        name: What the caller wrote.
        known: What may have been meant.
        most: How many of the known names to give.
        cutoff: Likeness from 0 to 1 that they must have, see :func:`difflib.get_close_matches`.
    """
    near = difflib.get_close_matches(str(name)[:_LONGEST_NAME], list(known), n=most, cutoff=cutoff)
    return f"did you mean {' or '.join(map(repr, near))}? " if near else ""
