"""YAML files that declare what is known about a model: strict, and clear about what is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from youtu_st.errors import SpecError


class Declared(BaseModel):
    """Frozen, and strict about names and types, so that a typing slip is an error and not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Declaration = TypeVar("Declaration", bound=Declared)


def configs_directory() -> Path:
    """The shipped ``configs``: inside the package where it was installed, beside it in a checkout."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "configs"


def names(folder: str) -> list[str]:
    """Names of the declarations in a folder of the shipped ``configs``, sorted."""
    return sorted(path.stem for path in (configs_directory() / folder).glob("*.yaml"))


def is_yaml(name: object) -> bool:
    """Whether ``name`` is the path of a YAML file, by its suffix."""
    return isinstance(name, (str, Path)) and Path(name).suffix.lower() in {".yaml", ".yml"}


def near(name: str, known: Iterable[str]) -> list[str]:
    """Which of the known names may have been meant, the likeliest first."""
    return difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.4)


def read(path: Path, kind: type[Declaration]) -> Declaration:
    """Read a declaration.

    Args:
        path: A YAML file.
        kind: What it declares.

    Raises:
        SpecError: If the file cannot be read, or a field is wrong, missing or unknown.
    """
    try:
        modified = path.stat().st_mtime_ns
    except OSError as error:
        raise SpecError(f"{path}: cannot read the spec: {error.strerror or error}") from error
    declared: Declaration = _parse(path, modified, kind)
    return declared


@lru_cache(maxsize=64)
def _parse(path: Path, modified: int, kind: type[Any]) -> Any:
    """Cached by the file's time of change, so that an edited file is read again."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: cannot read the spec: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, Mapping):
        raise SpecError(f"{path}: a spec is a mapping of fields, not {type(data).__name__}")
    try:
        # From JSON-like data: lists become tuples, everything else stays strict.
        return kind.model_validate(_tuples(data))
    except ValidationError as error:
        raise SpecError(f"{path}: {'; '.join(_explain(part, kind) for part in error.errors())}") from error


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _explain(problem: Any, kind: type[Declared]) -> str:
    """One problem as ``field 'x': what is wrong (what is allowed)``."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        allowed = sorted(_part(kind, problem["loc"][:-1]).model_fields)
        close = difflib.get_close_matches(str(problem["loc"][-1]), allowed, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown field {where!r} ({hint}allowed: {', '.join(allowed)})"
    if problem["type"] == "missing":
        return f"missing field {where!r}"
    message = problem["msg"].removeprefix("Value error, ")
    field = f"field {where!r}: " if where else ""
    return f"{field}{message[0].lower()}{message[1:]}, got {problem['input']!r}"[:500]


def _part(kind: type[Declared], location: tuple[Any, ...]) -> type[Declared]:
    """The (sub)model at ``location`` of a declaration."""
    for name in location:
        field = kind.model_fields.get(name)
        if field is None:  # a position in a list
            continue
        inner = [field.annotation, *get_args(field.annotation)]
        kind = next((part for part in inner if isinstance(part, type) and issubclass(part, Declared)), kind)
    return kind
