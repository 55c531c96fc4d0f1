"""What was exported of a model: a directory that says what it is, and is checked before it is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from youtu_st import disk
from youtu_st.backends.graphs import Engine, Rounding
from youtu_st.errors import ModelLoadError, SpecError, brief, in_one_line
from youtu_st.modules.facts import Facts
from youtu_st.modules.reader import FastReader
from youtu_st.modules.texts import Texts
from youtu_st.protocol import fingerprint
from youtu_st.spec.model import ModuleSettings, PaddingSide
from youtu_st.spec.registry import Count, Declared, expanded, validated, with_tuples

MANIFEST, TOKENIZER = "export.json", "tokenizer.json"
FORMAT = 1
"""Of the directory; one of a later version is refused."""

MOST_BYTES = 1 << 22
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


class ExportManifest(Declared):
    """What a graph is: all that stands between a text and a vector, but for the network itself.

    Attributes:
        format: :data:`FORMAT`.
        model: What it was exported from: a name, a directory or a hub id.
        checkpoint: The weights that went with a name.
        engine: What runs the graph.
        weights: ``int8``: rounded to eight bits; ``int8-dynamic``: activations too; None: float32.
        network: The architecture, as transformers calls it.
        inputs: Names of the graph's inputs, each ``(batch, tokens)``, int64.
        dimension: Length of a vector.
        max_length: Tokens that the network reads.
        padding_side: Side that short rows of a batch are padded on.
        counts_positions: Whether the network has a learned table of absolute positions.
        settings: Mask, template and shorter lengths.
        prompts: Before a ``query`` and a ``document``.
        named_prompts: All prompts that were saved with the model.
        normalizes: Whether the model's own modules scale vectors to unit length.
        marks_content: Whether a text may be nothing to the model, as all that it reads of it is no content.
        tokenizer: What ``tokenizer.json`` does not say.
        identity: The parts of the fingerprint.
        fingerprint: Of the model that it was exported from.
        files: The directory's other files.
        versions: Of the packages that made the graph.
        difference: Largest difference from the model's own vectors on the probe batches.
        cosine: Lowest cosine to the model's own vectors of the probe texts.
    """

    format: Literal[1] = 1
    model: str
    checkpoint: str | None = None
    engine: Engine
    weights: Rounding | None = None
    network: str
    inputs: tuple[str, ...]
    dimension: Count
    max_length: Count | None
    padding_side: PaddingSide
    counts_positions: bool
    settings: ModuleSettings
    prompts: dict[str, str]
    named_prompts: dict[str, str]
    normalizes: bool
    marks_content: bool = True
    tokenizer: Facts
    identity: dict[str, str]
    fingerprint: str
    files: dict[Annotated[str, Field(pattern=_NAME)], ExportedFile]
    versions: dict[str, str]
    difference: float
    cosine: float


def is_exported(path: str | Path) -> bool:
    """Whether a path leads to the directory of an exported model."""
    return os.path.isfile(expanded(path) / MANIFEST)  # Path.is_file raises for a name that is too long


def write_manifest(folder: Path, values: Mapping[str, Any]) -> ExportManifest:
    """Write the manifest of a directory whose other files are there, and read it again.

    Args:
        folder: The directory.
        values: As of :class:`ExportManifest`, but for ``files``.

    Raises:
        SpecError: If a value is not what it may be.
        OSError: If it cannot be written.
    """
    names = sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)
    files = {name: _look(folder / name) for name in names}
    manifest = validated(ExportManifest, {**values, "files": files}, MANIFEST)
    disk.write_whole(folder / MANIFEST, disk.sealed(manifest.model_dump(mode="json")))
    return manifest


def read_export(path: str | Path) -> ExportManifest:
    """The manifest of a directory, every file of which is as it was written.

    Raises:
        ModelLoadError: If it is no such directory, of a later version, or a file is missing or damaged: the
            message names it.
    """
    folder = expanded(path)
    try:
        content = disk.unsealed(disk.read_bounded(folder / MANIFEST, MOST_BYTES))
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
    try:
        manifest = validated(ExportManifest, with_tuples(content), folder / MANIFEST)
    except SpecError as error:
        raise ModelLoadError(in_one_line(f"{folder / MANIFEST} is no manifest, {_NEW}", error)) from error
    if fingerprint(manifest.identity) != manifest.fingerprint:
        raise ModelLoadError(f"{folder / MANIFEST} has another fingerprint than its identity: {_NEW}")
    for name, known in manifest.files.items():
        _check(folder / name, known)
    return manifest


def texts_of(folder: Path, manifest: ExportManifest, **changed: Any) -> Texts:
    """How the model takes texts.

    Args:
        folder: The directory.
        manifest: Its manifest.
        **changed: ``max_length`` or ``split_special_tokens`` where they are others than the manifest's.

    Raises:
        ModelLoadError: If the tokenizer cannot be read.
        InputError: If special tokens are to be split, and cannot be.
    """
    try:
        content = disk.read_bounded(folder / TOKENIZER, _MOST_TOKENIZER)
    except OSError as error:
        raise ModelLoadError(in_one_line(f"{folder / TOKENIZER} cannot be read, {_NEW}", error)) from error
    splits = changed.get("split_special_tokens", manifest.settings.split_special_tokens)
    return Texts.of(
        manifest.settings.model_copy(update={"split_special_tokens": splits}),
        FastReader.from_json(content, manifest.tokenizer.model_dump(mode="json"), str(folder / TOKENIZER)),
        changed.get("max_length", manifest.max_length),
        padding_side=manifest.padding_side,
        counts_positions=manifest.counts_positions,
        marks_content=manifest.marks_content,
    )


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
