"""JSON that a run, or somebody else, has written: read with care, and damage named with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from youtu_st.disk import read_bounded
from youtu_st.errors import InputError, in_one_line

MOST_BYTES = 1 << 28
"""Of a result file; those of a task with 40,000 subsets have some 20 MB."""


def as_float(value: Any) -> float | None:
    """The float that a number of JSON is; None: it is no number, or an int beyond all floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        path: The file.
        remedy: What to do about one that is damaged, for the message.

    Raises:
        InputError: Naming the file and the remedy, if it cannot be read or holds anything else.
    """
    try:
        content = json.loads(read_bounded(path, MOST_BYTES))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{in_one_line(f'{path}: damaged', error)}: {remedy}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: damaged: it holds no JSON object: {remedy}")
    return content
