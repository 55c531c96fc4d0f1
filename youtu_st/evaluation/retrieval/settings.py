"""Settings on a model that is judged, as they are written on a command line: ``factory=HNSW32``."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from youtu_st.errors import InputError, brief, did_you_mean


@dataclass(frozen=True, slots=True)
class Setting:
    """What is done otherwise than by a model's own exact search.

    Attributes:
        rerank: A reranker that puts the first hundred documents into order.
        factory: A FAISS factory string.
        weights: ``int8``: weights rounded to eight bits.
        dimensions: Length that vectors are cut to.
        chunk_tokens: Most tokens of a passage; documents are split into them.
    """

    rerank: str | None = None
    factory: str | None = None
    weights: str | None = None
    dimensions: int | None = None
    chunk_tokens: int | None = None


NAMES = tuple(each.name for each in fields(Setting))
# A factory has commas of its own.
_BETWEEN = re.compile(rf",(?=(?:{'|'.join(NAMES)})=)")
_SHAPE = re.compile(r"[a-z_]+=")


def is_setting(text: str) -> bool:
    """Whether it has the shape of one, and is no path or name of a model."""
    return bool(_SHAPE.match(text.replace("-", "_")))


def read_setting(text: str) -> Setting:
    """One or several settings with commas between them, ``dimensions=128,factory=HNSW32``.

    Raises:
        InputError: If there is no such setting, or its value is none.
    """
    values: dict[str, Any] = {}
    for part in _BETWEEN.split(text):
        name, _, value = part.partition("=")
        name = name.replace("-", "_")
        if name not in NAMES:
            raise InputError(
                f"{brief(text)}: there is no setting {brief(name)}; {did_you_mean(name, NAMES)}"
                f"there are: {', '.join(NAMES)}"
            )
        if not value or name in values:
            raise InputError(f"{brief(text)}: {name} must have {'one value' if value else 'a value'}")
        values[name] = _value(text, name, value)
    return Setting(**values)


def _value(text: str, name: str, value: str) -> str | int:
    if get_type_hints(Setting)[name] == int | None:
        if not re.fullmatch("[0-9]{1,9}", value) or not int(value):
            raise InputError(f"{brief(text)}: {name} must be an int of at least 1, not {brief(value)}")
        return int(value)
    if name == "weights" and value != "int8":
        raise InputError(f"{brief(text)}: weights must be int8, not {brief(value)}")
    return value
