"""Checks on what callers pass, before any work is done: one voice, one place."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from youtu_st.errors import InputError, brief
from youtu_st.protocol import Vectors

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def one_of(what: str, value: object, allowed: Sequence[object]) -> None:
    """Raise unless ``value`` is allowed.

    Raises:
        InputError: Naming the value and all that is allowed.
    """
    if value not in allowed:
        raise InputError(f"{what} must be one of {', '.join(map(str, allowed))}, not {value!r}")


def check_count(what: str, value: object) -> int:
    """An int of at least 1; NumPy's count too, True does not.

    Raises:
        InputError: Naming the value.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{what} must be an int of at least 1, not {value!r}")
    return int(value)


def check_share(what: str, value: object) -> float:
    """A number from 0 to 1.

    Raises:
        InputError: Naming the value.
    """
    if not _is_number(value) or not 0 <= value <= 1:
        raise InputError(f"{what} must be a number from 0 to 1, not {value!r}")
    return float(value)


def check_seconds(what: str, value: object) -> float:
    """A finite number of seconds above 0.

    Raises:
        InputError: Naming the value.
    """
    if not _is_number(value) or not 0 < value < math.inf:
        raise InputError(f"{what} must be a number of seconds above 0, not {value!r}")
    return float(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def check_dimensions(value: object, allowed: Sequence[int], model: str) -> int:
    """The length that vectors are to have, if the model was trained for it.

    Args:
        value: What the caller passed.
        allowed: Lengths that a vector of the model may have, see :func:`youtu_st.spec.model.lengths`.
        model: The model's name, for the message.

    Raises:
        InputError: Naming the value and all that is allowed.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        some = isinstance(allowed, range) and len(allowed) > 1
        among = f"from {allowed[0]} to {allowed[-1]}" if some else f"one of {', '.join(map(str, allowed))}"
        raise InputError(f"dimensions must be {among}, which {model!r} was trained for, not {value!r}")
    return value


def check_texts(texts: object, *, noun: str = "text", first: int = 0) -> list[str]:
    """The texts as a list, if they are a list of str, none of them blank, all of them valid Unicode.

    Args:
        texts: What the caller passed.
        noun: What to call one of them in messages: ``text`` or ``query``.
        first: Position of the first one in what the caller passed.

    Raises:
        InputError: Naming the position.
    """
    nouns = "queries" if noun == "query" else f"{noun}s"
    if isinstance(texts, str):
        raise InputError(f"{nouns} must be a list of str, not one str: pass [{noun}]")
    if not isinstance(texts, (list, tuple)):
        raise InputError(f"{nouns} must be a list of str, not {type(texts).__name__}")
    checked = list(texts)
    try:  # the usual case at C speed; the loop is for finding the position
        if all(checked) and not any(map(str.isspace, checked)) and all(map(str.isascii, checked)):
            return checked
    except TypeError:
        pass
    for position, text in enumerate(checked, start=first):
        if not isinstance(text, str):
            raise InputError(f"{noun} {position} must be a str, not {type(text).__name__}")
        if not text or text.isspace():
            raise InputError(f"{noun} {position} is {'blank' if text else 'empty'}: it has nothing to encode")
        check_unicode(f"{noun} {position}", text)
    return checked


def check_unicode(what: str, text: str) -> None:
    """Raise for a str that no encoding of Unicode can write.

    Raises:
        InputError: Naming the first character that is none.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
        raise InputError(f"{what} holds half a surrogate pair, {half!r}, which is no character") from error


def check_no_nul(what: str, json_text: str) -> None:
    """Raise for metadata that a filter would find by what stands before its NUL, and no more.

    Args:
        what: Begins the message.
        json_text: The metadata as JSON.

    Raises:
        InputError: If a string in it has a NUL character.
    """
    if "\\u0000" in json_text and _NUL.search(json_text):  # the first is fast, the second knows backslashes
        raise InputError(f"{what} must have no NUL character, at which SQLite's texts end")


def unit_rows(
    vectors: Any, shape: tuple[int, int], what: str, error: type[Exception] = InputError
) -> Vectors:
    """A contiguous float32 matrix of unit rows: checked, and normalised where a row is not of length 1.

    Raises:
        InputError: If the shape is another, or a row is not finite or is zero: the message names the row.
    """
    try:
        matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as cause:
        raise error(f"{what} must be numbers in a matrix: {cause}") from cause
    if matrix.shape != shape:
        raise error(f"{what} must have shape {shape}, not {matrix.shape}")
    squares: npt.NDArray[np.floating[Any]] = np.einsum("ij,ij->i", matrix, matrix)
    # Rows of tiny or huge numbers under- or overflow in float32; float64 tells them from true zeros.
    odd = ~np.isfinite(squares) | (squares < 1e-30)
    if odd.any():
        squares = squares.astype(np.float64)
        squares[odd] = np.square(matrix[odd], dtype=np.float64).sum(axis=1)
        bad = np.flatnonzero(~np.isfinite(squares) | (squares == 0))
        if len(bad):
            row = matrix[bad[0]]
            kind = "all zeros" if np.isfinite(row).all() else "not finite"
            raise error(f"{what} must have a direction, and row {bad[0]} is {kind}")
    if np.abs(squares - 1).max(initial=0) > 4e-6:
        norms = np.sqrt(squares, dtype=np.float64)[:, None]
        np.divide(matrix, norms, out=(unit := np.empty_like(matrix)), casting="same_kind")
        return unit
    return matrix


def once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose fields are there once each, for the ``object_pairs_hook`` of :mod:`json`.

    Raises:
        ValueError: Naming one that is there twice.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        raise twice(Counter(name for name, _ in pairs).most_common(1)[0][0])
    return made


def twice(name: str) -> ValueError:
    """The error of an object that has two fields of one name."""
    return ValueError(f"the field {brief(name)} is there twice")


def check_max_length(max_length: object, limit: int | None) -> int:
    """How many tokens to read, of a model that reads no more than ``limit``.

    Raises:
        InputError: Naming the value.
    """
    count = check_count("max_length", max_length)
    if limit is not None and count > limit:
        raise InputError(f"max_length is {count}, and the model reads at most {limit} tokens")
    return count


def split_devices(device: str | Sequence[str] | None) -> tuple[str | None, list[str]]:
    """The device that carries the model, and those that get a copy of it.

    Raises:
        InputError: If it is neither a name nor a list of names.
    """
    if device is None or isinstance(device, str):
        return device, []
    devices = list(device) if isinstance(device, Sequence) else []
    if not devices or not all(isinstance(one, str) for one in devices):
        raise InputError(f"device must be a name, or a list of names, not {device!r}")
    return devices[0], devices[1:]
