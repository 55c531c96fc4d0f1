"""All that a server may be told at its start: a strict YAML file, and flags that stand above it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PositiveFloat

from youtu_st.errors import InputError, SpecError
from youtu_st.protocol import Role
from youtu_st.spec.registry import Count, Declared, fields_of, validated

_SECRETS = ("key", "keys", "api_key", "api_keys", "token", "tokens", "secret", "secrets", "password")
KEYS_COME_FROM = "they come from a file of their own (--keys-file) or from YOUTU_ST_KEYS"

Truncation = Literal["error", "cut"]
Seconds = Annotated[PositiveFloat, Field(le=1e6)]


class Prompts(Declared):
    """Prompts that replace the model's own; None: as they are."""

    query: str | None = None
    document: str | None = None

    def given(self) -> dict[str, str]:
        """Those that are given, by their role."""
        return {role: prompt for role in get_args(Role) if (prompt := getattr(self, role)) is not None}


class ModelSettings(Declared):
    """Which models are loaded, and how: as for ``Encoder`` and ``Reranker``.

    Attributes:
        model: A name, a directory, a hub id or a spec's YAML file.
        checkpoint: Weights for a name or a YAML file.
        reranker: A second model, which scores pairs.
        reranker_checkpoint: Weights for its name.
        backend: What runs the network of the embedding model.
        weights: ``int8``: rounded, with ``openvino`` or ``onnx``; ``int8-dynamic``, with ``onnx``.
        dtype: Of both models.
        device: Of both models; None: the best there is. A list: a copy on each.
        batch_tokens: Padded tokens that go through a network at once; None: chosen from the device.
        max_length: Tokens that the embedding model reads, if fewer than its maximum.
        reranker_max_length: As ``max_length``, of a pair.
        prompts: Prompts that replace the embedding model's own.
        split_special_tokens: Read special tokens that stand in a text as characters.
        trust_remote_code: Run code that a checkpoint brings.
    """

    model: str | None = None
    checkpoint: str | None = None
    reranker: str | None = None
    reranker_checkpoint: str | None = None
    backend: str = "torch"
    weights: str | None = None
    dtype: str = "auto"
    device: str | tuple[str, ...] | None = None
    batch_tokens: Count | None = None
    max_length: Count | None = None
    reranker_max_length: Count | None = None
    prompts: Prompts = Prompts()
    split_special_tokens: bool = False
    trust_remote_code: bool = False


class ServerSettings(ModelSettings):
    """Where a server listens, what it takes, and how long it waits; no key is among it.

    Attributes:
        host: The address that it listens on.
        port: 0: any that is free.
        keys_file: A file with one key a line.
        no_keys: Serve without keys on an address that others reach.
        default_role: What a text is that comes without a role, where the model's prompts differ.
        truncation: ``cut``: texts over the model's length are cut, where a request does not say otherwise.
        name: What clients call the model; None: what it goes by.
        reranker_name: As ``name``, of the reranker.
        queue_tokens: Tokens that may wait; None: those of 32 batches.
        max_body: Bytes of a request.
        max_texts: Texts of a request.
        max_documents: Documents of a request to rerank.
        timeout: Seconds from a request's arrival to its answer.
        body_timeout: Seconds in which a request must arrive, its head and then its body.
        idle_timeout: Seconds after which a connection is closed on which nothing happens.
        grace: Seconds in which what was accepted is answered after SIGTERM.
        log: The form of a line.
        engine: ``ray``: the models are in replicas on Ray Serve; None: in this process.
        replicas: How many.
        address: Of the cluster, ``HOST:PORT`` or ``auto``; None: the one that ``RAY_ADDRESS`` names, else one
            is started on this machine.
        cpus_per_replica: CPUs of the cluster that a replica takes, and threads that it computes with.
        gpus_per_replica: GPUs likewise; a part of one, where several share it.
    """

    host: Annotated[str, Field(min_length=1, max_length=253)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    keys_file: str | None = None
    no_keys: bool = False
    default_role: Role | None = None
    truncation: Truncation = "error"
    name: Annotated[str, Field(pattern=r"^[\w./-]+$", max_length=200)] | None = None
    reranker_name: Annotated[str, Field(pattern=r"^[\w./-]+$", max_length=200)] | None = None
    queue_tokens: Count | None = None
    max_body: Count = 32 << 20
    max_texts: Count = 2048
    max_documents: Count = 1000
    timeout: Seconds = 300.0
    body_timeout: Seconds = 10.0
    idle_timeout: Seconds = 30.0
    grace: Annotated[float, Field(ge=0, le=1e6)] = 30.0
    log: Literal["text", "json"] = "text"
    engine: Literal["ray"] | None = None
    replicas: Count = 1
    address: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    cpus_per_replica: Annotated[float, Field(ge=0, le=4096)] = 1.0
    gpus_per_replica: Annotated[float, Field(ge=0, le=4096)] = 0.0


def settings_from(config: str | Path | None = None, flags: Mapping[str, Any] | None = None) -> ServerSettings:
    """The settings of a file, and of flags that stand above it.

    Args:
        config: A YAML file of the fields of :class:`ServerSettings`. None: there is none.
        flags: Values by the field's name; those that are None were not given.

    Raises:
        SpecError: If the file cannot be read, or a field of it is wrong or unknown, in one line.
        InputError: If a flag is wrong, or two settings contradict each other.
    """
    fields: dict[str, Any] = {}
    if config is not None:
        fields = _fields_of(Path(config))
        validated(ServerSettings, fields, config)
    for name, value in (flags or {}).items():
        if value is not None:
            try:
                validated(ServerSettings, {name: value}, flag(name))
            except SpecError as error:
                raise InputError(str(error).replace(f"field {name!r}: ", "", 1)) from error
            fields[name] = value
    settings = validated(ServerSettings, fields, config or "the settings")
    if settings.no_keys and settings.keys_file is not None:
        raise InputError("--no-keys and --keys-file contradict each other: leave one of them out")
    if settings.engine is None:
        for name in ("replicas", "address", "cpus_per_replica", "gpus_per_replica"):
            if getattr(settings, name) != ServerSettings.model_fields[name].default:
                raise InputError(f"{flag(name)} is for --engine ray: give that too, or leave it out")
    for weights, model in (("checkpoint", "model"), ("reranker_checkpoint", "reranker")):
        if getattr(settings, weights) is not None and getattr(settings, model) is None:
            raise InputError(f"{weights} says which weights, and not of what: give {model} too")
    return settings


def flag(name: str) -> str:
    """What a field is called on the command line."""
    return name.upper() if name == "model" else f"--{name.replace('_', '-')}"


def _fields_of(path: Path) -> dict[str, Any]:
    try:
        fields = fields_of(path)
    except OSError as error:
        raise SpecError(f"{path}: cannot read the settings: {error.strerror or error}") from error
    if found := [name for name in fields if str(name).lower().replace("-", "_") in _SECRETS]:
        raise SpecError(
            f"{path}: field {found[0]!r}: keys have no place among settings, which get copied and shown: "
            f"{KEYS_COME_FROM}"
        )
    return fields
