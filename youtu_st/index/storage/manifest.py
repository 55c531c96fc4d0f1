"""The manifest: what an index was built with, and whether an encoder may open it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from youtu_st import disk
from youtu_st.errors import IndexDamagedError, IndexMismatchError, IndexNotFoundError, VectorIndexError, brief
from youtu_st.index.storage import files
from youtu_st.probes import EncoderRecord
from youtu_st.protocol import TextEncoder

FORMAT = "youtu-st-index"
VERSION = 3

_WITHOUT_WORDS = 2
_MOST_BYTES = 16 << 20

_KINDS: dict[str, type] = {"metric": str, "factory": str, "count": int, "created": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(EncoderRecord):
    """What ``manifest.json`` says: the encoder, and what the index is.

    ``count`` is the number of documents when a writer last closed the index; ``settings`` what
    :meth:`~youtu_st.index.VectorIndex.remember` was told; ``lexical`` is whether documents are found by their
    words too, which they are not before version 3; ``trained`` how many different vectors the factory was
    last trained on, 0 where it was not or nobody knows.
    """

    factory: str
    count: int
    created: str
    settings: Mapping[str, int] = field(default_factory=dict)
    lexical: bool = True
    trained: int = 0
    metric: str = "cosine"
    format: str = FORMAT
    version: int = VERSION

    @classmethod
    def new(cls, encoder: TextEncoder, factory: str, *, lexical: bool = True) -> Manifest:
        """The manifest of a new, empty index; encodes the probe texts."""
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return cls.of(encoder, factory=factory, count=0, created=created, lexical=lexical)

    def upgraded(self) -> Manifest:
        """In the format of this release; an index of an earlier one gets words."""
        return self if self.version == VERSION else replace(self, version=VERSION, lexical=True)

    def write(self, directory: Path) -> None:
        """Write ``manifest.json``, whole or not at all."""
        content = {name: getattr(self, name) for name in ("format", "version", *_KINDS)} | self.values()
        if self.version > _WITHOUT_WORDS:
            content["lexical"] = self.lexical
        if self.settings:
            content["settings"] = dict(self.settings)
        if self.trained:
            content["trained"] = self.trained
        path = directory / files.MANIFEST
        with files.writing(path):
            temporary = files.temporary(path)
            temporary.unlink(missing_ok=True)
            temporary.write_bytes(disk.sealed(content))
            files.publish(path)


def read_manifest(path: str | Path) -> Manifest:
    """Read an index's manifest; loads no model and opens no other file.

    Raises:
        IndexNotFoundError: If the directory holds no index.
        IndexDamagedError: If the manifest cannot be read.
        VectorIndexError: If a newer release wrote it.
    """
    file = Path(path) / files.MANIFEST
    try:
        with files.opened(file, os.O_RDONLY) as descriptor, open(descriptor, "rb", closefd=False) as opened:
            text = opened.read(_MOST_BYTES + 1).decode()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IndexNotFoundError(
            f"there is no index in {path}: it has no {files.MANIFEST}; make one with VectorIndex.create"
        ) from error
    except UnicodeDecodeError as error:
        raise IndexDamagedError(f"{file} is damaged: it is not UTF-8 text") from error
    except OSError as error:
        raise VectorIndexError(f"{file} cannot be read: {error}") from error
    try:
        if len(text) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES} bytes")
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f'"format" is not "{FORMAT}"')
        version = content["version"]
        if isinstance(version, int) and version > VERSION:
            raise VectorIndexError(
                f"{file} has format version {version}; this release reads up to {VERSION}: upgrade youtu-st"
            )
        return _parse(content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        detail = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise IndexDamagedError(
            f"{file} is damaged: {detail}; youtu-st index check {file.parent} --repair makes it anew"
        ) from error


def _parse(content: dict[str, Any]) -> Manifest:
    version = content["version"]
    if content["metric"] != "cosine" or type(version) is not int or not 1 <= version <= VERSION:
        raise ValueError(f'"metric" {brief(content["metric"])} or "version" {brief(version)} is unknown')
    for name, kind in _KINDS.items():
        value = content[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f'"{name}" is {brief(value)}, not of type {kind.__name__}')
    if content["count"] < 0:
        raise ValueError(f'"count" is {content["count"]}, less than 0')
    settings = content.get("settings", {})  # which most indexes do not have
    if not isinstance(settings, dict) or any(type(value) is not int for value in settings.values()):
        raise ValueError(f'"settings" is {brief(settings)}, not ints by their names')
    trained = content.get("trained", 0)
    if type(trained) is not int or trained < 0:
        raise ValueError(f'"trained" is {brief(trained)}, not a number of vectors')
    own = {name: content[name] for name in ("version", *_KINDS)}
    lexical = content["lexical"] if version > _WITHOUT_WORDS else False
    if not isinstance(lexical, bool):
        raise ValueError(f'"lexical" is {brief(lexical)}, not a bool')
    manifest = Manifest.parse(content, **own, settings=settings, lexical=lexical, trained=trained)
    if version > 1 and not disk.is_sealed(content):  # last: another reason says more
        raise ValueError("it is not what was written")
    return manifest


def check_encoder(manifest: Manifest, encoder: TextEncoder, path: Path) -> None:
    """Refuse an encoder whose vectors do not mean what the stored ones mean.

    Where only ``runtime`` (dtype, device, backend) differs, the probe texts are encoded and decide. The
    identity, which an encoder may have to work out, is asked for once.

    Raises:
        IndexMismatchError: The message lists every difference.
    """
    _refuse(manifest, encoder, path, manifest.differences(encoder, what="index"))


def check_probes(manifest: Manifest, encoder: TextEncoder, path: Path) -> None:
    """Refuse an encoder whose vectors of the probe texts are not the stored ones, whatever it says it is.

    Raises:
        IndexMismatchError: If a vector's cosine to the stored one is below ``PROBE_COSINE``.
    """
    _refuse(manifest, encoder, path, manifest.other_vectors(encoder, what="index"))


def _refuse(manifest: Manifest, encoder: TextEncoder, path: Path, differences: list[str]) -> None:
    if differences:
        listed = "\n".join(f"  {difference}" for difference in differences)
        raise IndexMismatchError(
            f"the index in {path} was built with another encoder ({manifest.model}, this "
            f"is {encoder.model_name}):\n{listed}\nopen it with that encoder, or build the index again"
        )
