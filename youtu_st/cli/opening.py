"""An index that a command works on, and the model that goes with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from youtu_st.cli.console import DEFAULT_MODEL, UsageError, absolute_model, status
from youtu_st.cli.loaded import Exported, load_encoder
from youtu_st.errors import IndexMismatchError, IndexNotFoundError, ModelLoadError, UnknownModelError

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder
    from youtu_st.index import Manifest, VectorIndex
    from youtu_st.protocol import TextEncoder

_WEIGHTS_ELSEWHERE = "If {} was built with --checkpoint, it is opened with the same"


def encoder_for(
    directory: Path,
    manifest: Manifest | None,
    *,
    model: str | None,
    checkpoint: str | None,
    trust_remote_code: bool,
    split_special_tokens: bool = False,
    fast: bool = False,
    rounded: bool = False,
    exported: Exported = "never",
) -> Encoder:
    """The model that is named, or else the one that the index was built with, or else the default.

    Special tokens in texts are read as the index has it.
    """
    name = model or (manifest.model if manifest else DEFAULT_MODEL)
    try:
        absolute = absolute_model(name)
    except UnknownModelError as error:
        if model is not None:
            raise
        raise UsageError(
            f"{directory} was built with the model {name}, which is not there: say where it is with --model"
        ) from error
    split = split_special_tokens or (manifest is not None and splits_special_tokens(manifest))
    try:
        return load_encoder(
            absolute,
            checkpoint=checkpoint,
            trust_remote_code=trust_remote_code,
            split_special_tokens=split,
            fast=fast,
            rounded=rounded,
            exported=exported,
        )
    except ModelLoadError as error:
        if manifest is None or checkpoint is not None:
            raise
        raise ModelLoadError(f"{error}. {_WEIGHTS_ELSEWHERE.format(directory)}") from error


def recorded_encoder(manifest: Manifest, model: str | None) -> TextEncoder:
    """What opens an index of which nothing is encoded: no model is loaded, and one that is named is a name.

    Raises:
        UnknownModelError: If it is none.
    """
    from youtu_st.index import RecordedEncoder

    if model is not None:
        absolute_model(model)
    return RecordedEncoder(manifest)


def splits_special_tokens(manifest: Manifest) -> bool:
    """Whether special tokens in texts are read as characters in the index."""
    from youtu_st.protocol import settings_of

    return bool(settings_of(manifest.identity))


def opened_index(directory: Path, encoder: TextEncoder, checkpoint: str | None) -> VectorIndex:
    """The index, opened with its model.

    Raises:
        IndexMismatchError: If it was built with another: what to do where only the weights are others.
    """
    from youtu_st.index import VectorIndex

    try:
        with status(f"opening {directory} ..."):
            return VectorIndex.open(directory, encoder)
    except IndexMismatchError as error:
        if checkpoint is not None or "weights" not in str(error):
            raise
        raise IndexMismatchError(f"{error}\n{_WEIGHTS_ELSEWHERE.format(directory)}") from error


def manifest_of(directory: Path) -> Manifest:
    """What an index says of itself.

    Raises:
        UsageError: If there is none.
    """
    from youtu_st.index import read_manifest

    try:
        return read_manifest(directory)
    except IndexNotFoundError as error:
        raise UsageError(
            f"there is no index in {directory}. Make one with: youtu-st index build PATH --out {directory}"
        ) from error
