"""Exports that models make for themselves: kept in the cache, and found again without torch."""

from __future__ import annotations

import gc
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from filelock import FileLock

from youtu_st.backends.graphs import Engine, Rounding
from youtu_st.disk import cache_directory
from youtu_st.errors import ModelLoadError, in_one_line
from youtu_st.loading.exported import ExportManifest
from youtu_st.loading.manifest import FORMAT, M, is_exported, read_manifest, versions_of
from youtu_st.loading.stored import stored_dtype
from youtu_st.spec.model import MODELS, ModelSpec
from youtu_st.spec.registry import Published, Registry, expanded, is_directory

_SUFFIXES = (".json", ".safetensors", ".txt", ".model", ".jinja", ".py")
_SETTINGS = ("trust_remote_code", "model_kwargs")
"""Those that decide what is exported; prompts, lengths and the like are an encoder's own matter."""
MAKING = ("backend", "weights", "checkpoint", "hub", *_SETTINGS)
"""Settings of an encoder that an export is made by."""
_LOADING = ("checkpoint", "trust_remote_code", "hub")
_MAKERS = ("torch", "transformers", "onnxruntime", "openvino")
"""Packages another release of which may make another graph; those of them that made one are written down."""
log = logging.getLogger("youtu_st")


@dataclass(frozen=True)
class Kind(Generic[M]):
    """A kind of model whose exports are kept.

    Attributes:
        registry: The names that its models go by.
        manifest: What says what an export is.
        exporter: Imports, with torch, what exports one: called with the model, ``out``, ``engine``,
            ``weights`` and the settings that are named here.
        settings: Those of its models that an export is made by.
        key: Tells its exports from another kind's.
    """

    registry: Registry[Any]
    manifest: type[M]
    exporter: Callable[[], Callable[..., object]]
    settings: tuple[str, ...] = _LOADING
    key: tuple[str, ...] = ()


def _export_encoder() -> Callable[..., object]:
    from youtu_st.loading.exporting import export_encoder

    return export_encoder


ENCODERS = Kind(MODELS, ExportManifest, _export_encoder, (*_LOADING, "model_kwargs"))


def kept_export(
    model: str | Path | ModelSpec,
    settings: Mapping[str, Any],
    *,
    engine: Engine,
    weights: Rounding | None = None,
) -> tuple[Path, ExportManifest]:
    """A model's export in the cache, and its manifest; it is made where it is not there, which needs torch.

    An export is of the files that a model had: their names, sizes and times of change are part of its name.
    Where another release of what made it is installed now, it is made again.

    Args:
        model: As for :func:`youtu_st.load`.
        settings: As for :func:`youtu_st.load`; ``checkpoint``, ``hub``, ``trust_remote_code`` and
            ``model_kwargs`` are looked at.
        engine: What is to run it.
        weights: As for :func:`youtu_st.export`.

    Raises:
        YoutuError: As for :func:`youtu_st.export`; or if the cache cannot be written.
    """
    return kept(ENCODERS, model, settings, engine=engine, weights=weights)


def kept(
    kind: Kind[M],
    model: Any,
    settings: Mapping[str, Any],
    *,
    engine: Engine,
    weights: Rounding | None = None,
) -> tuple[Path, M]:
    """As :func:`kept_export`, of a model of any kind."""
    target = _place(kind, model, settings, engine, weights)
    if (manifest := _whole(kind, target)) is not None:
        return target, manifest
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            manifest = _whole(kind, target)  # of another process, made meanwhile
            if manifest is None:
                log.info("exporting %s for %s into %s", kind.registry.canonical_name(model), engine, target)
                if target.is_dir() and not target.is_symlink():
                    shutil.rmtree(target)
                else:
                    target.unlink(missing_ok=True)
                told = {name: settings[name] for name in kind.settings if settings.get(name)}
                kind.exporter()(model, out=target, engine=engine, weights=weights, **told)
                gc.collect()  # torch's weights: what was followed holds references to itself
                manifest = read_manifest(target, kind.manifest)
    except OSError as error:
        what = f"cannot keep the exported network in {target.parent}"
        remedy = "the environment variable YOUTU_ST_CACHE names another directory"
        raise ModelLoadError(f"{in_one_line(what, error)}; {remedy}") from error
    return target, manifest


def is_kept(model: Any, settings: Mapping[str, Any], *, engine: Engine, kind: Kind[Any] = ENCODERS) -> bool:
    """Whether a model's export is there, and of the releases that are installed; it is not opened.

    Raises:
        YoutuError: If there is no such model.
    """
    place = _place(kind, model, settings, engine, None)
    return is_exported(place) and _is_current(versions_of(place))


def stored_in_half(model: str | Path | ModelSpec, settings: Mapping[str, Any]) -> bool:
    """Whether a model's weights are stored in half precision.

    Raises:
        YoutuError: If there is no such model.
    """
    directory = directory_of(model, settings.get("checkpoint"), settings.get("hub"))
    return stored_dtype(directory) in ("bfloat16", "float16")


def _place(
    kind: Kind[Any], model: Any, settings: Mapping[str, Any], engine: Engine, weights: Rounding | None
) -> Path:
    directory = directory_of(model, settings.get("checkpoint"), settings.get("hub"), kind.registry)
    name = f"{_key(kind, model, directory, settings)}-{weights or 'float32'}-{engine}"
    return cache_directory() / "exports" / name


def directory_of(
    model: Any,
    checkpoint: str | Path | None,
    hub: Mapping[str, Any] | None,
    registry: Registry[Any] = MODELS,
) -> Path:
    """Where a model's files are: a directory, a package, or what was downloaded.

    Raises:
        YoutuError: As for :func:`youtu_st.load`.
    """
    spec = registry.resolve(model, checkpoint)
    named = checkpoint if spec is not None else str(model)
    if named is not None and is_directory(named):
        return expanded(named).resolve()
    if named is None and spec is not None and (found := _in_package(spec)) is not None:
        return found
    from youtu_st.loading import checkpoint as files  # which loads the hub's client

    options = files.hub_options(hub)
    return (
        files.local(str(model), options) if spec is None else files.directory_for(spec, checkpoint, options)
    )


def _in_package(spec: Published) -> Path | None:
    found = None if spec.package is None else importlib.util.find_spec(spec.package.module)
    if spec.package is None or found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / spec.package.path


def _key(kind: Kind[Any], model: Any, directory: Path, settings: Mapping[str, Any]) -> str:
    parts = [FORMAT, kind.registry.key(model), _spec_key(kind, model), str(directory), _facts(directory)]
    parts += [*(settings.get(name) or None for name in _SETTINGS), *kind.key]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _spec_key(kind: Kind[Any], model: Any) -> str:
    """All that a spec says: one of a file may be another by now."""
    spec = kind.registry.resolve(model)
    return "" if spec is None else str(spec.model_dump_json())


def _facts(directory: Path) -> list[tuple[str, int, int, int]]:
    """Of each file that a model is read from its name, size and times of change; no user can set the last."""
    found = []
    for folder, _, names in os.walk(directory):
        for name in names:
            if name.endswith(_SUFFIXES):
                path = Path(folder, name)
                facts = path.stat()
                found.append(
                    (str(path.relative_to(directory)), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
                )
    return sorted(found)


def _whole(kind: Kind[M], target: Path) -> M | None:
    """The manifest of an export that is there as it was written."""
    if not is_exported(target):
        return None
    try:
        manifest = read_manifest(target, kind.manifest)
    except ModelLoadError as error:
        log.warning("%s is damaged and is made again: %s", target, error)
        return None
    if not _is_current(manifest.versions):
        log.info("%s was made by other releases and is made again", target)
        return None
    return manifest


def _is_current(versions: Mapping[str, str] | None) -> bool:
    """Whether the releases that made an export are those that are installed, as far as they are at all."""
    if versions is None:  # who opens it makes it again
        return False
    for name, version in versions.items():
        found = next(iter(importlib.metadata.distributions(name=name)), None) if name in _MAKERS else None
        # OpenVINO says of itself which build it is, too.
        if found is not None and version != found.version and not version.startswith(f"{found.version}-"):
            return False
    return True
