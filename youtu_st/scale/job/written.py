"""The text of a ``job.json``: values by their names, a line for each file and each shard, and a checksum.

The checksum is one over the bytes before it: what a disk or a careless hand has changed is found before it is
read, and a quarter of a million shards are checked in milliseconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from youtu_st.disk import checksum
from youtu_st.errors import brief
from youtu_st.scale.input.types import InputFile, Shard

FORMAT = "youtu-st-job"
VERSION = 1

_HEAD = re.compile(rb'\{\s*"format"\s*:\s*"youtu-st-job"\s*,\s*"version"\s*:\s*(\d{1,9})\s*[,}]')
_SEAL = re.compile(rb'"checksum":"([0-9a-f]{16})"\}\n')
_SEAL_BYTES = len('"checksum":"0123456789abcdef"}\n')
_SHARDS, _FILES = "shards", "files"


class NewerVersionError(ValueError):
    """A later release wrote it.

    Args:
        version: Of its format.
    """

    def __init__(self, version: int) -> None:
        super().__init__(f"it has format version {version}; this release reads up to {VERSION}")


def to_text(values: Mapping[str, Any], files: Sequence[InputFile], shards: Sequence[Shard]) -> bytes:
    """The text of some values, files and shards."""
    head = {"format": FORMAT, "version": VERSION, **values}
    lines = [f"{_compact(name)}:{_compact(value)}" for name, value in head.items()]
    listed = ",\n".join(_compact(_file_values(file)) for file in files)
    ranges = _compact(shards).replace("],[", "],\n[")  # nothing in it but ints
    lines += [f'"{_FILES}":[\n{listed}\n]', f'"{_SHARDS}":[\n{ranges[1:-1]}\n]']
    text = ("{" + ",\n".join(lines) + ",\n").encode()
    return text + f'"checksum":"{_hex(text)}"}}\n'.encode()


def from_text(text: bytes) -> tuple[dict[str, Any], tuple[InputFile, ...], tuple[Shard, ...]]:
    """What :func:`to_text` was given: values, files and shards. The values are not looked into.

    Raises:
        NewerVersionError: If a later release wrote it.
        ValueError: If it is anything else.
    """
    if (head := _HEAD.match(text)) is None:
        raise ValueError(f'it does not begin with "format": "{FORMAT}" and a version')
    if int(head[1]) > VERSION:
        raise NewerVersionError(int(head[1]))
    seal = _SEAL.fullmatch(text[-_SEAL_BYTES:])
    if seal is None:
        raise ValueError("it is cut short")
    if seal[1].decode() != _hex(memoryview(text)[:-_SEAL_BYTES]):
        raise ValueError("it is not what was written")
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    for name in ("format", "checksum"):
        del values[name]
    if values.pop("version") != VERSION:
        raise ValueError("it has two versions")
    files = listed(values.pop(_FILES, None), _FILES)
    found = tuple(InputFile(**fields_of(InputFile, file, "file")) for file in files)
    return values, found, _shards(values.pop(_SHARDS, None), len(found))


def fields_of(kind: type, values: Any, what: str) -> dict[str, Any]:
    """The fields of one of the classes of :data:`_FIELDS`, if that is what values are.

    Raises:
        ValueError: Naming the one that is not.
    """
    checks = _FIELDS[kind.__name__]
    if not isinstance(values, dict):
        raise ValueError(f"{what} is {brief(values)}, not values by their names")
    if odd := sorted(set(values) ^ set(checks)):
        raise ValueError(f"{what}: {brief(odd[0])} is {'unknown' if odd[0] in values else 'missing'}")
    for name, check in checks.items():
        if not check(values[name]):
            raise ValueError(f"{what}: {name} is {brief(values[name])}")
    return values


def listed(values: Any, what: str) -> list[Any]:
    """A list, if that is what it is.

    Raises:
        ValueError: If not.
    """
    if not isinstance(values, list):
        raise ValueError(f"{what} is {brief(values)}, not a list")
    return values


def is_text(value: Any) -> bool:
    """Whether it is a str that files may be called: valid Unicode without a NUL."""
    try:
        return isinstance(value, str) and "\0" not in value and bool(value.encode() or True)
    except UnicodeEncodeError:
        return False


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _is_positive(value: Any) -> bool:
    return _is_count(value) and value > 0


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _one_of(*allowed: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in allowed


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_text, value))


_FIELDS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "Making": {
        "model": _or_none(is_text),
        "checkpoint": _or_none(is_text),
        "server": _or_none(is_text),
        "backend": is_text,
        "weights": _or_none(is_text),
        "dtype": is_text,
        "max_length": _or_none(_is_positive),
        "truncation": _one_of("warn", "error", "ignore"),
        "split_special_tokens": lambda value: isinstance(value, bool),
    },
    "Task": {
        "role": _one_of("query", "document"),
        "instruction": _or_none(lambda value: isinstance(value, str)),
        "dimensions": _or_none(_is_positive),
        "dtype": _one_of("float32", "float16"),
    },
    "Columns": {
        "text": _or_none(is_text),
        "id": _or_none(is_text),
        "keep": _is_texts,
        "keep_text": lambda value: isinstance(value, bool),
        "encoding": _or_none(is_text),
    },
    "Cutting": {"tokens": _is_positive, "rows": _is_positive},
    "InputFile": {
        "name": is_text,
        "path": is_text,
        "kind": is_text,
        "size": _is_count,
        "digest": is_text,
        "rows": _is_count,
        "encoding": is_text,
    },
}


def _shards(rows: Any, files: int) -> tuple[Shard, ...]:
    if not listed(rows, _SHARDS):
        return ()
    try:
        table = np.array(rows)
    except ValueError:
        table = np.empty(0)
    if table.dtype != np.int64 or table.ndim != 2 or table.shape[1] != len(Shard._fields):
        raise ValueError(f"{_SHARDS} are not rows of {len(Shard._fields)} ints")
    by_name = dict(zip(Shard._fields, table.T, strict=True))
    if (by_name["number"] != np.arange(len(table))).any():
        raise ValueError(f"{_SHARDS} are not numbered from 0")
    if table.min() < 0 or by_name["rows"].min() < 1 or by_name["file"].max() >= files:
        raise ValueError(f"{_SHARDS} hold a number out of range")
    # A column at a time: lists of a quarter of a million rows would keep the collector busy.
    return tuple(map(Shard._make, zip(*(column.tolist() for column in table.T), strict=True)))


def _file_values(file: InputFile) -> dict[str, Any]:
    return {name: getattr(file, name) for name in _FIELDS["InputFile"]}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _hex(content: bytes | memoryview) -> str:
    return f"{checksum(content) & (1 << 64) - 1:016x}"
