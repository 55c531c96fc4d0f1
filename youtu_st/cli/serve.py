"""``youtu-st serve``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import (
    Checkpoint,
    UsageError,
    absolute_model,
    import_libraries,
    model_names,
    reranker_names,
)

if TYPE_CHECKING:
    from socket import socket

    from youtu_st.encoder import Encoder
    from youtu_st.rerank import Reranker
    from youtu_st.serving.keys import Keys
    from youtu_st.serving.replica import Replica
    from youtu_st.serving.settings import ServerSettings

EXAMPLE = "Example: youtu-st serve minilm --port 8000"
MOST_FILES = 1 << 16
NEEDED = ("fastapi", "uvicorn", "httptools", "orjson", "prometheus_client")


def _refuse_keys(given: list[str] | None) -> None:
    if given:
        raise UsageError(
            "keys are not given on the command line, where every user of the machine can read them: put them "
            "into a file, one a line (--keys-file FILE), or into YOUTU_ST_KEYS"
        )


def keep_standard_streams() -> None:
    """Open what is closed of stdin, stdout and stderr, where a connection would stand and be written to."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r+" if number == 0 else "w", closefd=False))


def raise_file_limit() -> None:
    """Let as many files be open as this process may have: each connection is one, and shells grant few."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def serve(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", help="A name, directory, hub id or .yaml file.", autocompletion=model_names
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    reranker: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Also score pairs, with this reranker.", autocompletion=reranker_names
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where to listen; default: 127.0.0.1.")
    ] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="Default: 8000; 0: any.")] = None,
    keys_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Keys that clients need, one a line.")
    ] = None,
    default_role: Annotated[
        str | None,
        typer.Option(metavar="query|document", help="What a text is where a request does not say so."),
    ] = None,
    queue_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Tokens that may wait; default: those of 32 batches.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A YAML file of these and all other settings.")
    ] = None,
    no_keys: Annotated[bool, typer.Option("--no-keys", hidden=True)] = False,
    timeout: Annotated[float | None, typer.Option(hidden=True)] = None,
    max_body: Annotated[int | None, typer.Option(hidden=True)] = None,
    truncation: Annotated[str | None, typer.Option(hidden=True)] = None,
    grace: Annotated[float | None, typer.Option(hidden=True)] = None,
    log: Annotated[str | None, typer.Option(hidden=True)] = None,
    trust_remote_code: Annotated[bool, typer.Option("--trust-remote-code", hidden=True)] = False,
    engine: Annotated[str | None, typer.Option(hidden=True)] = None,
    replicas: Annotated[int | None, typer.Option(hidden=True)] = None,
    address: Annotated[str | None, typer.Option(hidden=True)] = None,
    cpus_per_replica: Annotated[float | None, typer.Option(hidden=True)] = None,
    gpus_per_replica: Annotated[float | None, typer.Option(hidden=True)] = None,
    refused: Annotated[
        list[str] | None,
        typer.Option("--key", "--keys", "--api-key", "--api-keys", hidden=True, callback=_refuse_keys),
    ] = None,
) -> None:
    """Serve a model over HTTP, to clients that speak OpenAI's or Cohere's shape.

    Keys come from --keys-file or from YOUTU_ST_KEYS, and other machines are served only with some. Further
    options: --timeout SECONDS, --max-body BYTES, --truncation cut, --grace SECONDS, --log json, --no-keys,
    --trust-remote-code; on Ray Serve --engine ray, --replicas N, --address HOST:PORT, --cpus-per-replica N,
    --gpus-per-replica N.
    """
    from youtu_st.errors import require

    keep_standard_streams()
    raise_file_limit()
    flags: dict[str, Any] = {
        "model": model,
        "checkpoint": checkpoint,
        "reranker": reranker,
        "host": host,
        "port": port,
        "keys_file": keys_file,
        "default_role": default_role,
        "queue_tokens": queue_tokens,
        "no_keys": no_keys or None,
        "timeout": timeout,
        "max_body": max_body,
        "truncation": truncation,
        "grace": grace,
        "log": log,
        "trust_remote_code": trust_remote_code or None,
        "engine": engine,
        "replicas": replicas,
        "address": address,
        "cpus_per_replica": cpus_per_replica,
        "gpus_per_replica": gpus_per_replica,
    }
    for module in NEEDED:
        require(module, "serve")
    from youtu_st.serving.log import lines
    from youtu_st.serving.settings import settings_from

    settings = settings_from(config, flags)
    if settings.model is None:
        raise UsageError("say which model: youtu-st serve MODEL, or model: in the file of --config")
    debug = bool(context.find_root().params.get("debug"))
    with lines(settings.log):
        code = _serve(settings, absolute_model(settings.model), debug)
    raise typer.Exit(code)


def _serve(settings: ServerSettings, name: str, debug: bool) -> int:
    from youtu_st.serving.app import app
    from youtu_st.serving.keys import load_keys
    from youtu_st.serving.run import open_socket, run
    from youtu_st.serving.server import Server
    from youtu_st.spec.model import MODELS
    from youtu_st.spec.reranker import RERANKERS

    MODELS.resolve(name, settings.checkpoint)
    if settings.reranker is not None:
        RERANKERS.resolve(settings.reranker, settings.reranker_checkpoint)
    keys = load_keys(settings.keys_file)
    opened = open_socket(settings, keys)
    if settings.engine == "ray":
        with opened:
            return _serve_on_ray(settings, name, keys, opened, debug)
    server = Server(settings, *loaders(settings, name), keys=keys)
    return run(server, app(server), opened)


def _serve_on_ray(settings: ServerSettings, name: str, keys: Keys, opened: socket, debug: bool) -> int:
    from socket import gethostname

    from youtu_st.scale.cluster.replicas import Replicas
    from youtu_st.serving.app import app
    from youtu_st.serving.front import Front
    from youtu_st.serving.run import run

    replicas = Replicas(
        f"youtu-st {gethostname()} {opened.getsockname()[1]}",
        partial(make_replica, elsewhere(settings), name),
        number=settings.replicas,
        cpus=settings.cpus_per_replica,
        gpus=settings.gpus_per_replica,
        address=settings.address,
        debug=debug,
    )
    front = Front(settings, replicas, keys=keys)
    try:
        replicas.connect()
        return run(front, app(front, front.forward), opened)
    finally:
        replicas.close()


def elsewhere(settings: ServerSettings) -> ServerSettings:
    """Settings for another process, which stands in another directory; who may ask is not among them."""
    from youtu_st.spec.reranker import RERANKERS

    def whole(path: str | None) -> str | None:
        return path if path is None or not os.path.isdir(path) else os.path.abspath(path)

    changed = {
        "checkpoint": whole(settings.checkpoint),
        "reranker": settings.reranker and RERANKERS.canonical_name(settings.reranker),
        "reranker_checkpoint": whole(settings.reranker_checkpoint),
        "keys_file": None,
    }
    return settings.model_copy(update=changed)


def make_replica(settings: ServerSettings, name: str) -> Replica:
    """Load the models of a server in a process that only computes: called there, by its name.

    Args:
        settings: What :func:`elsewhere` gives.
        name: As for :func:`load_model`.
    """
    from youtu_st.serving.replica import Replica
    from youtu_st.serving.server import Server

    return Replica(Server(settings, *loaders(settings, name)))


def loaders(
    settings: ServerSettings, name: str
) -> tuple[Callable[[], Encoder], Callable[[], Reranker] | None]:
    """What loads the models of a server."""
    second = None if settings.reranker is None else lambda: load_reranker(settings)
    return lambda: load_model(settings, name), second


def load_model(settings: ServerSettings, name: str) -> Encoder:
    """Load the embedding model of a server.

    Args:
        settings: How.
        name: What :func:`~youtu_st.cli.console.absolute_model` gives.
    """
    from youtu_st.encoder import Encoder
    from youtu_st.loading.exported import is_exported

    if settings.backend == "torch" and not is_exported(name):  # an engine opens what was exported without
        import_libraries()

    how: dict[str, Any] = {"backend": settings.backend, "weights": settings.weights}
    how |= {"checkpoint": settings.checkpoint, "prompts": settings.prompts.given() or None}
    return Encoder(name, max_length=settings.max_length, **how, **_common(settings))


def load_reranker(settings: ServerSettings) -> Reranker:
    """Load the reranker of a server."""
    from youtu_st.loading.manifest import is_exported
    from youtu_st.rerank import Reranker

    name = settings.reranker or ""
    if not is_exported(name):
        import_libraries()
    return Reranker(
        name,
        checkpoint=settings.reranker_checkpoint,
        max_length=settings.reranker_max_length,
        **_common(settings),
    )


def _common(settings: ServerSettings) -> dict[str, Any]:
    device = settings.device
    return {
        "dtype": settings.dtype,
        "device": list(device) if isinstance(device, tuple) else device,
        "batch_tokens": settings.batch_tokens,
        "split_special_tokens": settings.split_special_tokens,
        "trust_remote_code": settings.trust_remote_code,
        # Both are told to whoever sent the text.
        "truncation": "ignore",
        "unknown": "ignore",
    }
