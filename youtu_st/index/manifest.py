"""The manifest: what an index was built with, and whether an encoder may open it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st import disk
from youtu_st.errors import IndexDamagedError, IndexMismatchError, IndexNotFoundError, VectorIndexError, brief
from youtu_st.index import files
from youtu_st.probes import PROBE_COSINE, PROBE_TEXTS, encode_probes, lowest_cosine
from youtu_st.protocol import TextEncoder, Vectors, fingerprint

FORMAT = "youtu-st-index"
VERSION = 2

_MOST_BYTES = 16 << 20

_KINDS: dict[str, type] = {
    "model": str,
    "fingerprint": str,
    "identity": dict,
    "runtime": dict,
    "metric": str,
    "dimension": int,
    "factory": str,
    "count": int,
    "created": str,
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What ``manifest.json`` says.

    ``count`` is the number of documents when a writer last closed the index; ``query_probes`` and
    ``document_probes`` are the encoder's own vectors of ``probe_texts``, shape ``(4, dimension)``;
    ``settings`` is what :meth:`~youtu_st.index.VectorIndex.remember` was told.
    """

    model: str
    fingerprint: str
    identity: Mapping[str, str]
    runtime: Mapping[str, str]
    dimension: int
    factory: str
    count: int
    created: str
    probe_texts: tuple[str, ...]
    query_probes: Vectors
    document_probes: Vectors
    settings: Mapping[str, int] = field(default_factory=dict)
    metric: str = "cosine"
    format: str = FORMAT
    version: int = VERSION

    @classmethod
    def of(cls, encoder: TextEncoder, factory: str) -> Manifest:
        """The manifest of a new, empty index; encodes the probe texts."""
        query, document = encode_probes(encoder, PROBE_TEXTS)
        return cls(
            model=encoder.model_name,
            fingerprint=encoder.fingerprint,
            identity=dict(encoder.identity),
            runtime=dict(encoder.runtime),
            dimension=encoder.dimension,
            factory=factory,
            count=0,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            probe_texts=PROBE_TEXTS,
            query_probes=query,
            document_probes=document,
        )

    def write(self, directory: Path) -> None:
        """Write ``manifest.json``, whole or not at all."""
        content = {name: getattr(self, name) for name in ("format", "version", *_KINDS)}
        content["probes"] = {
            "texts": list(self.probe_texts),
            "query": _pack(self.query_probes),
            "document": _pack(self.document_probes),
        }
        if self.settings:
            content["settings"] = dict(self.settings)
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
    for name, least in (("dimension", 1), ("count", 0)):
        if content[name] < least:
            raise ValueError(f'"{name}" is {content[name]}, less than {least}')
    settings = content.get("settings", {})  # which most indexes do not have
    if not isinstance(settings, dict) or any(type(value) is not int for value in settings.values()):
        raise ValueError(f'"settings" is {brief(settings)}, not ints by their names')
    probes = content["probes"]
    if version > 1 and not disk.is_sealed(content):
        raise ValueError("it is not what was written")
    texts = tuple(str(text) for text in probes["texts"])
    shape = (len(texts), content["dimension"])
    return Manifest(
        **{name: content[name] for name in ("version", *_KINDS)},
        probe_texts=texts,
        query_probes=_unpack(probes["query"], shape),
        document_probes=_unpack(probes["document"], shape),
        settings=settings,
    )


def check_encoder(manifest: Manifest, encoder: TextEncoder, path: Path) -> None:
    """Refuse an encoder whose vectors do not mean what the stored ones mean.

    Where only ``runtime`` (dtype, device, backend) differs, the probe texts are encoded and decide. The
    identity, which an encoder may have to work out, is asked for once.

    Raises:
        IndexMismatchError: The message lists every difference.
    """
    mine, theirs = dict(manifest.identity), dict(encoder.identity)
    differences = [
        f"{part}: index has {mine.get(part, 'none')}, encoder has {theirs.get(part, 'none')}"
        for part in sorted(mine.keys() | theirs.keys())
        if mine.get(part) != theirs.get(part)
    ]
    differences += _dimensions(manifest, encoder)
    if not differences and manifest.fingerprint != fingerprint(theirs):
        told = encoder.fingerprint  # not over the identity, for an encoder from elsewhere
        if manifest.fingerprint != told:
            differences.append(f"fingerprint: index has {manifest.fingerprint}, encoder has {told}")
    _refuse(manifest, encoder, path, differences)
    if dict(manifest.runtime) != dict(encoder.runtime):
        check_probes(manifest, encoder, path)


def check_probes(manifest: Manifest, encoder: TextEncoder, path: Path) -> None:
    """Refuse an encoder whose vectors of the probe texts are not the stored ones, whatever it says it is.

    Raises:
        IndexMismatchError: If a vector's cosine to the stored one is below ``PROBE_COSINE``.
    """
    _refuse(manifest, encoder, path, _dimensions(manifest, encoder))
    query, document = encode_probes(encoder, manifest.probe_texts)
    differences = []
    for role, new, stored in (
        ("query", query, manifest.query_probes),
        ("document", document, manifest.document_probes),
    ):
        lowest = lowest_cosine(new, stored)
        if lowest < PROBE_COSINE:
            differences.append(
                f"{role} probes: lowest cosine {lowest:.4f}, at least {PROBE_COSINE} is needed "
                f"(runtime: index has {_words(manifest.runtime)}, encoder has {_words(encoder.runtime)})"
            )
    _refuse(manifest, encoder, path, differences)


def _dimensions(manifest: Manifest, encoder: TextEncoder) -> list[str]:
    if manifest.dimension == encoder.dimension:
        return []
    return [f"dimension: index has {manifest.dimension}, encoder has {encoder.dimension}"]


def _refuse(manifest: Manifest, encoder: TextEncoder, path: Path, differences: list[str]) -> None:
    if differences:
        listed = "\n".join(f"  {difference}" for difference in differences)
        raise IndexMismatchError(
            f"the index in {path} was built with another encoder ({manifest.model}, this "
            f"is {encoder.model_name}):\n{listed}\nopen it with that encoder, or build the index again"
        )


def _words(parts: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in parts.items()) or "none"


def _pack(vectors: Vectors) -> str:
    return base64.b64encode(vectors.astype("<f4").tobytes()).decode()


def _unpack(text: Any, shape: tuple[int, int]) -> Vectors:
    data = base64.b64decode(text, validate=True)
    return np.frombuffer(data, dtype="<f4").reshape(shape).astype(np.float32)
