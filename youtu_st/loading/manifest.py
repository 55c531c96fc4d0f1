"""The manifest of a directory that something was exported into, and its files as they were written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field

from youtu_st import disk
from youtu_st.backends.graphs import FILES, Engine, Rounding
from youtu_st.errors import InputError, ModelLoadError, SpecError, brief, in_one_line
from youtu_st.modules.facts import Facts
from youtu_st.modules.reader import FastReader
from youtu_st.protocol import fingerprint
from youtu_st.spec.model import PaddingSide
from youtu_st.spec.registry import Count, Declared, expanded, validated, with_tuples

MANIFEST, TOKENIZER = "export.json", "tokenizer.json"
FORMAT = 1
"""Of the directory; one of a later version is refused."""

_ENCODER = "encoder"
_OPENED_BY = {_ENCODER: "youtu_st.Encoder", "reranker": "youtu_st.rerank.Reranker"}
_MOST_BYTES = 1 << 22
_MOST_TOKENIZER = 1 << 28  # those of 250,000 pieces take seventeen million bytes
_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
_NEW = "export the model again"


class ExportedFile(Declared):
    """One file of the directory.

    Attributes:
        size: Its bytes.
        checksum: As of :func:`youtu_st.disk.file_checksum`, over all of them.
    """

    size: int
    checksum: int


class Manifest(Declared):
    """What all exported models have in common.

    Attributes:
        format: :data:`FORMAT`.
        model: What it was exported from: a name, a directory or a hub id.
        checkpoint: The weights that went with a name.
        engine: What runs the graph.
        weights: ``int8``: rounded to eight bits; ``int8-dynamic``: activations too; None: float32.
        network: The architecture, as transformers calls it.
        inputs: Names of the graph's inputs, each ``(batch, tokens)``, int64.
        max_length: Tokens that the network reads.
        padding_side: Side that short rows of a batch are padded on.
        tokenizer: What ``tokenizer.json`` does not say.
        identity: The parts of the fingerprint.
        fingerprint: Of the model that it was exported from.
        files: The directory's other files.
        versions: Of the packages that made the graph.
        difference: Largest difference from what the model itself gives on the probe batches.
    """

    what: ClassVar[str]
    """``encoder`` or ``reranker``."""

    format: Literal[1] = 1
    model: str
    checkpoint: str | None = None
    engine: Engine
    weights: Rounding | None = None
    network: str
    inputs: tuple[str, ...]
    max_length: Count | None
    padding_side: PaddingSide
    tokenizer: Facts
    identity: dict[str, str]
    fingerprint: str
    files: dict[Annotated[str, Field(pattern=_NAME)], ExportedFile]
    versions: dict[str, str]
    difference: float


M = TypeVar("M", bound=Manifest)


def is_exported(path: str | Path) -> bool:
    """Whether a path leads to the directory of an exported model."""
    return os.path.isfile(expanded(path) / MANIFEST)  # Path.is_file raises for a name that is too long


def write_manifest(folder: Path, kind: type[M], values: Mapping[str, Any]) -> M:
    """Write the manifest of a directory whose other files are there, and read it again.

    Args:
        folder: The directory.
        kind: Its class.
        values: Its fields, but for ``files``.

    Raises:
        SpecError: If a value is not what it may be.
        OSError: If it cannot be written.
    """
    names = sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)
    files = {name: _look(folder / name) for name in names}
    manifest = validated(kind, {**values, "files": files}, MANIFEST)
    disk.write_whole(folder / MANIFEST, disk.sealed(manifest.model_dump(mode="json")))
    return manifest


def check_measurable(model: Any) -> None:
    """Raise if a model was exported: there is one way to run it, and nothing to measure.

    Raises:
        InputError: Naming it.
    """
    if isinstance(model, str | Path) and is_exported(model):
        raise InputError(
            f"{brief(str(model))} was exported, and runs as it was: the fastest way is measured of the model "
            "that it was made from"
        )


def versions_of(folder: Path) -> dict[str, str] | None:
    """The releases that made an export, as its manifest says; None where that cannot be read."""
    try:
        versions = disk.unsealed(disk.read_bounded(folder / MANIFEST, _MOST_BYTES))["versions"]
    except (OSError, ValueError, LookupError):
        return None
    return versions if isinstance(versions, dict) else None


def read_manifest(path: str | Path, kind: type[M]) -> M:
    """The manifest of a directory, every file of which is as it was written.

    Args:
        path: The directory.
        kind: What it must be of.

    Raises:
        ModelLoadError: If it is no such directory, of another kind of model or a later version, or a file is
            missing or damaged: the message names it.
    """
    folder = expanded(path)
    try:
        content = disk.unsealed(disk.read_bounded(folder / MANIFEST, _MOST_BYTES))
    except FileNotFoundError as error:
        raise ModelLoadError(f"{brief(str(path))} holds no exported model: it has no {MANIFEST}") from error
    except (OSError, ValueError) as error:
        raise ModelLoadError(in_one_line(f"{folder / MANIFEST} is damaged, {_NEW}", error)) from error
    content.pop("checksum")
    version = content.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise ModelLoadError(
            f"{brief(str(path))} was exported by a later version of youtu-st (format {version}, and this one "
            f"reads {FORMAT}): update youtu-st, or {_NEW}"
        )
    what = content.get("kind", _ENCODER)
    if what != kind.what and isinstance(what, str) and what in _OPENED_BY:
        raise ModelLoadError(
            f"{brief(str(path))} is an exported {what}, and no {kind.what}: {_OPENED_BY[what]} opens it"
        )
    try:
        manifest = validated(kind, with_tuples(content), folder / MANIFEST)
    except SpecError as error:
        raise ModelLoadError(in_one_line(f"{folder / MANIFEST} is no manifest, {_NEW}", error)) from error
    if fingerprint(manifest.identity) != manifest.fingerprint:
        raise ModelLoadError(f"{folder / MANIFEST} has another fingerprint than its identity: {_NEW}")
    for name in (FILES[manifest.engine], TOKENIZER):
        if name not in manifest.files:
            raise ModelLoadError(f"{folder / MANIFEST} does not say what {name} is: {_NEW}")
    for name, known in manifest.files.items():
        _check(folder / name, known)
    return manifest


def reader_of(folder: Path, facts: Facts) -> FastReader:
    """What gives the tokens of texts, as the tokenizer in a directory does.

    Args:
        folder: The directory.
        facts: What ``tokenizer.json`` does not say.

    Raises:
        ModelLoadError: If it cannot be read.
    """
    path = folder / TOKENIZER
    try:
        content = disk.read_bounded(path, _MOST_TOKENIZER)
    except OSError as error:
        raise ModelLoadError(in_one_line(f"{path} cannot be read, {_NEW}", error)) from error
    return FastReader.from_json(content, facts.model_dump(mode="json"), str(path))


def _look(path: Path) -> ExportedFile:
    with disk.open_plain(path) as file:
        checksum = disk.file_checksum(file)
        return ExportedFile(size=file.tell(), checksum=checksum)


def _check(path: Path, known: ExportedFile) -> None:
    try:
        if path.stat().st_size == known.size and _look(path) == known:
            return
    except OSError as error:
        raise ModelLoadError(in_one_line(f"{path} is missing or cannot be read, {_NEW}", error)) from error
    raise ModelLoadError(f"{path} is damaged: it is not what was exported; {_NEW}")
